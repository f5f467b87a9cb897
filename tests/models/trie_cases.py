"""Small models, ragged batches and TRL's own unpacked forward pass, for the tests of the packed one."""

import copy
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from trl.trainer.utils import add_fused_lm_head

from models.trie import install

VOCABULARY = 61
FIELDS = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
# A window of 5 is shorter than every row but the shortest.
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_CONFIGS: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**_SHAPE)),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig(
            **_SHAPE,
            query_pre_attn_scalar=8,
            sliding_window=5,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            final_logit_softcapping=4.0,
        ),
    ),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**_SHAPE)),
}
FAMILIES = tuple(_CONFIGS)

BATCHES = {
    "ragged": [[5, 6, 7, 8, 9, 10, 11, 12], [5, 6, 7, 8, 20, 21], [5, 6, 7, 30, 31, 32, 33], [40, 41, 42]],
    "duplicates": [[5, 6, 7, 8, 9, 10, 11], [5, 6, 7, 8, 9, 10, 11], [5, 6, 7, 8, 13, 10, 11]],
    "one inside another": [[5, 6, 7, 8, 9, 10, 11, 12, 13], [5, 6, 7, 8, 9, 10], [5, 6, 7, 8]],
    "single": [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14]],
}


def count_calls(monkeypatch: Any, operation: Any) -> list[int]:
    """A list that gets an entry for every run of an autograd function."""
    seen: list[int] = []
    original = operation.apply
    monkeypatch.setattr(operation, "apply", lambda *args: seen.append(1) or original(*args))
    return seen


def tiny(family: str, *, lora: bool = True) -> Any:
    """A random model of the family; with ``lora`` a PEFT model whose adapters do something."""
    torch.manual_seed(7)
    kind, config = _CONFIGS[family]
    model = kind(copy.deepcopy(config))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:  # the start's own scale leaves attention nearly flat
                parameter.mul_(2.5)
    if not lora:
        return model
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def twins(family: str, *, lora: bool = True) -> tuple[Any, Any]:
    """The same model twice: with TRL's fused head as it comes, and packed."""
    stock, packed = tiny(family, lora=lora), tiny(family, lora=lora)
    add_fused_lm_head(stock.get_base_model() if lora else stock, outputs=FIELDS)
    install(packed)
    return stock, packed


def padded(rows: list[list[int]], answer_from: int = 3, *, left: bool = False) -> dict[str, torch.Tensor]:
    """A padded batch whose labels start at position ``answer_from`` of every row."""
    width = max(map(len, rows)) + 1
    shape = (len(rows), width)
    ids = torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, -100)
    for index, row in enumerate(rows):
        start = width - len(row) if left else 0
        ids[index, start : start + len(row)] = torch.tensor(row)
        mask[index, start : start + len(row)] = 1
        labels[index, start + answer_from : start + len(row)] = torch.tensor(row[answer_from:])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of the parameters that are trained, by name."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    values = torch.autograd.grad(loss, [parameter for _, parameter in named])
    return {name: value for (name, _), value in zip(named, values, strict=True)}


def assert_gradients_close(mine: dict[str, torch.Tensor], other: dict[str, torch.Tensor], bound: float = 1e-5) -> None:
    """Relative to the norm of the whole gradient, and three times that for each parameter's own."""
    assert mine.keys() == other.keys()
    for name, value in mine.items():
        scale = other[name].norm()
        assert scale > 0, f"{name} has no gradient to compare"
        assert (value - other[name]).norm() <= 3 * bound * scale, name
    whole, theirs = (torch.cat([found[name].flatten() for name in mine]) for found in (mine, other))
    assert (whole - theirs).norm() <= bound * theirs.norm()
