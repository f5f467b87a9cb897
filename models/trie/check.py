"""What cannot be packed, found at the start and said clearly."""

from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from models.trie.attention import NAME

# Layer types whose attention is a mask over positions; everything else carries state from token to token.
_MASKED_LAYERS = {"full_attention", "sliding_attention"}
_ADAPTERS = {"LORA", "IA3"}


class CannotPackError(ValueError):
    """The model or the trainer's settings cannot go with packed training; the message says what to change."""


def _fail(problem: str, way_out: str) -> None:
    raise CannotPackError(f"packing: trie cannot be used: {problem}. {way_out}, or set packing: none")


def base_causal_model(model: Any) -> PreTrainedModel:
    """The transformers model inside a PEFT model, or the model itself."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(inner, PreTrainedModel):
        _fail(f"{type(inner).__name__} is no transformers model", "Pass a PreTrainedModel")
    base: PreTrainedModel = inner
    return base


def check_model(model: Any) -> None:
    """Refuse a model whose tokens meet other than through masked attention, or whose head hides its weight.

    Raises:
        CannotPackError: names the property of the model and the way out.
    """
    if isinstance(model, PeftModel):
        for name, config in model.peft_config.items():
            if str(getattr(config.peft_type, "value", config.peft_type)) not in _ADAPTERS:
                _fail(f"adapter {name!r} is {config.peft_type}, which adds tokens", "Use LoRA")
    base = base_causal_model(model)
    kind, text = type(base).__name__, base.config.get_text_config()
    if not getattr(base, "_supports_attention_backend", False):
        _fail(f"{kind} does not take its attention from transformers' AttentionInterface", "Use another architecture")
    if getattr(base, "_is_stateful", False):
        _fail(f"{kind} carries state along the sequence", "Use another architecture")
    others = sorted(set(getattr(text, "layer_types", None) or ()) - _MASKED_LAYERS)
    if others:
        _fail(f"{kind} has layers of type {', '.join(others)}", "Use another architecture")
    if getattr(text, "use_bidirectional_attention", False):
        _fail(f"{kind} attends to later tokens", "Use a causal model")
    if text.get_text_config() is not base.config:
        _fail(f"{kind} is multimodal", "Load its text model (AutoModelForCausalLM)")
    if getattr(text, "output_router_logits", False):
        _fail("the MoE balance loss counts every copy of a token", "Set output_router_logits=False")
    implementation = base.config._attn_implementation
    if implementation not in ("sdpa", NAME):
        _fail(f"attention is {implementation!r}", 'Load the model with attn_implementation="sdpa"')
    if getattr(text, "attention_dropout", 0.0):
        _fail("attention_dropout is not 0: shared tokens would share one mask", "Set attention_dropout=0")
    head = base.get_output_embeddings()
    if isinstance(head, BaseTunerLayer):
        _fail("there is an adapter on the head", "Remove lm_head from target_modules")
    if not torch.is_floating_point(head.weight):
        _fail("the head is quantised", "Exclude lm_head from quantisation")
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and module.p > 0:
            _fail(
                f"{name} drops out with p={module.p}: shared tokens would share one mask",
                "Set lora_dropout and the model's dropouts to 0",
            )


def check_trainer(trainer: Any) -> None:
    """Refuse trainer settings that bypass the packed forward pass or would be silently changed by it.

    Raises:
        CannotPackError: names the setting and the way out.
    """
    args = trainer.args
    for name in ("packing", "eval_packing", "padding_free"):
        if getattr(args, name, None) is True:  # a recipe's own packing is a word
            _fail(f"TRL's {name} puts rows one behind the other", f"Set {name} of the TRL config to false")
    if getattr(args, "use_liger_kernel", False):
        _fail("use_liger_kernel replaces the model's forward", "Set use_liger_kernel: false")
    if getattr(args, "label_smoothing_factor", 0.0):
        _fail("label_smoothing_factor needs the full logits", "Set it to 0")
    if getattr(trainer, "compute_loss_func", None) is not None or trainer.compute_metrics is not None:
        _fail("compute_loss_func and compute_metrics need the full logits", "Evaluate in a callback")
    if getattr(args, "activation_offloading", False):
        _fail("activation_offloading is not tested with it", "Set activation_offloading: false")
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        _fail("FSDP and DeepSpeed shard what the packed pass reads", "Use DDP")
