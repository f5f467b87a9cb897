"""``tiny-random``: a model and a tokenizer built in memory from a fixed seed, for tests and dry runs.

The model has Gemma 3's shape (two sliding layers to one full, one key head, tied embeddings) at a few thousand
parameters; the tokenizer is a byte-level BPE with Gemma's turn markers and, as in the embedded model, a token for each
digit.
"""

from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from data.prompts import SYSTEM_PROMPT
from models.template import END_OF_TURN, GEMMA_TEMPLATE, START_OF_TURN

TINY_NAME = "tiny-random"
SEED = 20250101

_VOCABULARY = 768
_WORDS = (
    "어제 10도, 오늘 20도 어제보다 전날보다 공원에서 공원 산책로 올라 내려 올랐습니다 내렸습니다 높아져 낮아져 "
    "포근하니 쌀쌀하니 선선하니 더우니 따뜻한 시원한 물을 충분히 마시며 겉옷을 챙겨 가벼운 옷차림으로 그늘에서 쉬어 "
    "가시기 바랍니다. 즐겨 보세요. 걸어 보세요. 주의하세요. 비슷하니 그대로이니 user model"
)


def tiny_tokenizer() -> Any:
    """A byte-level BPE of 768 entries, trained on fixed texts; carries the Gemma chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[0-9]|\n"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<bos>", "<unk>", START_OF_TURN, END_OF_TURN]
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        min_frequency=1,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SYSTEM_PROMPT, _WORDS], trainer)
    wrap: Any = PreTrainedTokenizerFast
    return wrap(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token=END_OF_TURN,
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=[START_OF_TURN],
        chat_template=GEMMA_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def tiny_model(vocabulary: int, dtype: torch.dtype = torch.float32) -> Any:
    """A Gemma 3 of 3 layers and width 32 with fixed random weights; leaves the global random state untouched."""
    config = Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=4096,
        sliding_window=512,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        bos_token_id=2,
        eos_token_id=5,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model: Any = Gemma3ForCausalLM(config)
        return model.to(dtype).eval()
