"""Make a causal language model answer TRL's fused-head calls with the packed forward pass."""

import functools
import types
from typing import Any

import torch

from models.trie.attention import NAME
from models.trie.check import base_causal_model, check_model
from models.trie.forward import packed_forward
from models.trie.lora import speed_up_lora
from models.trie.norm import speed_up_norms

_MARK = "_ondo_packed"
HALF_PRECISION_DROP = 2.0**-18


def head_scaling(config: Any) -> tuple[float, float | None]:
    """Factor on the logits and their soft cap, as TRL reads them from a text config."""
    softcap = getattr(config, "final_logit_softcapping", None)
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        value = getattr(config, name, None)
        if value is not None:
            return float(value), softcap
    divisor = getattr(config, "logits_scaling", None)
    if divisor is None:
        return 1.0, softcap
    # HyperCLOVA X multiplies by what Granite and MiniCPM divide by
    return float(divisor) if config.model_type == "hyperclovax" else 1.0 / float(divisor), softcap


def install(model: Any, *, drop: float | None = None, budget: int | None = None) -> None:
    """Send ``model(..., labels=..., fused_lm_head=True)`` through the packed pass; other calls stay as they are.

    Works on a transformers model or a PEFT model around one, before or after TRL has added its own fused head, and
    again after adapters were added.

    Args:
        model: changed in place.
        drop: probability below which a word is left out of the head's gradient
            (:func:`models.trie.head.score_labels`). None: 0 for float32, 2**-18 for half precision, where it hardly
            moves the gradient's distance from the float32 one (docs/trie.md).
        budget: nodes computed at once (:func:`models.trie.forward.plan_batch`); None computes a batch whole.

    Raises:
        CannotPackError: the model cannot be packed.
    """
    check_model(model)
    base = base_causal_model(model)
    speed_up_lora(model)
    speed_up_norms(model)
    if getattr(base, _MARK, False):
        return
    config = base.config.get_text_config()
    scale, softcap = head_scaling(config)
    if drop is None:
        drop = 0.0 if base.get_output_embeddings().weight.dtype == torch.float32 else HALF_PRECISION_DROP
    base.set_attn_implementation(NAME)
    ordinary = base.forward

    @functools.wraps(type(base).forward)
    def forward(
        self: Any,
        *args: Any,
        fused_lm_head: bool = False,
        labels: torch.Tensor | None = None,
        shift_labels: torch.Tensor | None = None,
        num_items_in_batch: Any = None,
        **kwargs: Any,
    ) -> Any:
        if not fused_lm_head:
            extra = {"labels": labels, "shift_labels": shift_labels, "num_items_in_batch": num_items_in_batch}
            return ordinary(*args, **{name: value for name, value in extra.items() if value is not None}, **kwargs)
        kwargs.pop("use_cache", None)
        input_ids = kwargs.pop("input_ids", args[0] if args else None)
        attention_mask = kwargs.pop("attention_mask", None)
        unknown = sorted(name for name, value in kwargs.items() if value is not None)
        wanted = labels if shift_labels is None else shift_labels
        if unknown or input_ids is None or wanted is None:
            raise ValueError(f"the packed forward takes input_ids, attention_mask and labels, got also {unknown}")
        out = packed_forward(
            self,
            input_ids,
            attention_mask,
            wanted,
            shifted=shift_labels is not None,
            scale=scale,
            softcap=softcap,
            drop=drop,
            layers=config.num_hidden_layers,
            budget=budget,
        )
        if num_items_in_batch is not None:
            out.loss = -out.log_probs.sum() / num_items_in_batch
        return out

    base.forward = types.MethodType(forward, base)
    setattr(base, _MARK, True)
