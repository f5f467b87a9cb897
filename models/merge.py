"""A copy of a model to decode with: adapter merged, float32 on a CPU, sharing every tensor that stays as it is."""

import copy
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer


def merged_copy(model: Any) -> Any:
    """The copy, in evaluation mode and without gradients. Quantised models are returned as they are.

    The copy has modules and a config of its own; a tensor is copied only when its dtype changes or an adapter is merged
    into it. The model that is passed in stays as it was.

    Args:
        model: a causal language model, plain, under PEFT or under DDP; an adapter to merge is named ``default``.
    """
    model = getattr(model, "module", model)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if getattr(base, "is_quantized", False):
        return model
    dtype = torch.float32 if base.device.type == "cpu" else base.dtype
    memo = _tensors(model, dtype)
    # Trainers put their own forward on the instance; as a closure it would still run the original's weights.
    patched = {name: vars(base).pop(name) for name in ("forward", "_original_forward") if name in vars(base)}
    try:
        clone = copy.deepcopy(model, memo)
    finally:
        vars(base).update(patched)
    if hasattr(clone, "peft_config"):
        for name in [name for name in clone.peft_config if name != "default"]:
            clone.delete_adapter(name)
        clone = clone.merge_and_unload(adapter_names=["default"])
    clone.config.dtype = dtype
    return clone.eval().requires_grad_(False)


def _tensors(model: torch.nn.Module, dtype: torch.dtype) -> dict[int, Any]:
    """A memo for ``deepcopy``: what stands in the copy in place of each parameter and floating-point buffer."""
    merged = {
        id(tensor)
        for layer in model.modules()
        if isinstance(layer, BaseTunerLayer)
        for tensor in layer.get_base_layer().parameters()
    }
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        value = parameter.detach()
        value = value.to(dtype, copy=id(parameter) in merged)
        memo[id(parameter)] = torch.nn.Parameter(value, requires_grad=False)
    return memo
