"""What cannot be packed is refused at the start, with the cause and the way out."""

import types

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTJConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MixtralConfig,
    Qwen3NextConfig,
)

from models.trie import CannotPackError, install
from models.trie.check import check_trainer
from tests.models.trie_cases import tiny

_SMALL = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}


def llama(**changes):
    return LlamaForCausalLM(LlamaConfig(**_SMALL, **_HEADS, **changes))


def refusal(model):
    with pytest.raises(CannotPackError) as caught:
        install(model)
    text = str(caught.value)
    assert text.startswith("packing: trie cannot be used: ")
    assert "set packing: none" in text
    return text


def test_layers_that_carry_state():
    assert "Mamba" in refusal(AutoModelForCausalLM.from_config(MambaConfig(**{**_SMALL, "state_size": 4})))
    hybrid = Qwen3NextConfig(
        **_SMALL,
        **_HEADS,
        layer_types=["linear_attention"],
        num_experts=2,
        num_experts_per_tok=1,
        linear_num_key_heads=1,
        linear_num_value_heads=1,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=8,
    )
    assert "Qwen3Next" in refusal(AutoModelForCausalLM.from_config(hybrid))


def test_chunked_attention_layers():
    model = llama()
    model.config.layer_types = ["chunked_attention"]
    assert "layers of type chunked_attention" in refusal(model)


def test_attention_outside_the_interface():
    config = GPTJConfig(vocab_size=20, n_embd=16, n_layer=1, n_head=2, rotary_dim=4)
    assert "AttentionInterface" in refusal(AutoModelForCausalLM.from_config(config))


def test_soft_capped_attention():
    config = Gemma2Config(**_SMALL, **_HEADS, layer_types=["full_attention"], attn_logit_softcapping=50.0)
    assert "attention is 'eager'" in refusal(AutoModelForCausalLM.from_config(config))


def test_another_attention_implementation():
    model = llama()
    model.set_attn_implementation("eager")
    assert "attention is 'eager'" in refusal(model)


def test_dropout_of_attention_model_and_adapter():
    assert "attention_dropout" in refusal(llama(attention_dropout=0.1))
    gpt2 = GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2)
    assert "drops out with p=0.1" in refusal(AutoModelForCausalLM.from_config(gpt2))
    adapter = LoraConfig(r=2, lora_dropout=0.2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    assert "lora_dropout.default drops out with p=0.2" in refusal(get_peft_model(llama(), adapter))


def test_adapters_that_add_tokens_or_sit_on_the_head():
    prefix = PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    assert "adds tokens" in refusal(get_peft_model(llama(), prefix))
    head = LoraConfig(r=2, target_modules=["lm_head"], task_type="CAUSAL_LM")
    assert "adapter on the head" in refusal(get_peft_model(llama(), head))


def test_a_quantised_head():
    model = llama()
    model.lm_head.weight = torch.nn.Parameter(torch.zeros(20, 16, dtype=torch.int8), requires_grad=False)
    assert "head is quantised" in refusal(model)


def test_the_balance_loss_of_experts():
    config = MixtralConfig(**_SMALL, **_HEADS, num_local_experts=2, num_experts_per_tok=1, output_router_logits=True)
    assert "MoE balance loss" in refusal(AutoModelForCausalLM.from_config(config))


def test_attention_to_later_tokens():
    model = tiny("gemma3")
    model.config.use_bidirectional_attention = True
    assert "attends to later tokens" in refusal(model)


def test_what_is_no_transformers_model():
    assert "Linear is no transformers model" in refusal(torch.nn.Linear(2, 2))


def trainer(**changes):
    """The parts of a TRL trainer that the check reads, all as they should be."""
    args = {
        "padding_free": False,
        "packing": False,
        "eval_packing": None,
        "use_liger_kernel": False,
        "label_smoothing_factor": 0.0,
        "activation_offloading": False,
    }
    found = {
        "compute_metrics": None,
        "compute_loss_func": None,
        "is_fsdp_enabled": False,
        "is_deepspeed_enabled": False,
    }
    for name, value in changes.items():
        (args if name in args else found)[name] = value
    return types.SimpleNamespace(args=types.SimpleNamespace(**args), **found)


def test_good_settings_pass():
    check_trainer(trainer())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("padding_free", True),
        ("packing", True),
        ("eval_packing", True),
        ("use_liger_kernel", True),
        ("label_smoothing_factor", 0.1),
        ("activation_offloading", True),
        ("compute_metrics", len),
        ("compute_loss_func", len),
        ("is_fsdp_enabled", True),
        ("is_deepspeed_enabled", True),
    ],
)
def test_settings_that_pass_by_the_packed_forward(setting, value):
    with pytest.raises(CannotPackError) as caught:
        check_trainer(trainer(**{setting: value}))
    named = {"is_fsdp_enabled": "FSDP", "is_deepspeed_enabled": "DeepSpeed"}.get(setting, setting)
    assert named in str(caught.value)
    assert "set packing: none" in str(caught.value)
