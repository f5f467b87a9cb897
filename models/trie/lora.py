"""LoRA's linear layer as one operation in the base layer's dtype.

PEFT keeps adapters in float32 and, with a bfloat16 base, casts every input up and multiplies in float32: on a CPU that
is several times slower than the base layer it corrects. Here the float32 weights stay the ones that are trained, and a
copy in the base dtype is multiplied; gradients come back as float32. With a float32 base the arithmetic is PEFT's own.

    y = x W^T + b + s (x A^T) B^T        (Hu et al. 2021, equation 3)
"""

import functools
import types
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch.nn import functional

_MARK = "_ondo_lora"


class _LoraLinear(torch.autograd.Function):
    """Value and gradients for a frozen base weight."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        down_cast, up_cast = down.to(x.dtype), up.to(x.dtype)
        low = flat @ down_cast.t()
        out = functional.linear(flat, weight, bias)
        out.addmm_(low, up_cast.t(), alpha=scaling)
        ctx.save_for_backward(flat, weight, down_cast, up_cast, low)
        ctx.scaling, ctx.shape, ctx.master = scaling, x.shape, down.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, weight, down, up, low = ctx.saved_tensors
        pulled = grad.reshape(-1, grad.shape[-1])
        low_grad = (pulled @ up) * ctx.scaling
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.addmm(pulled @ weight, low_grad, down).view(ctx.shape)
        grad_down = (low_grad.t() @ flat).to(ctx.master)
        grad_up = (pulled.t() @ low).to(ctx.master) * ctx.scaling
        return grad_x, None, None, grad_down, grad_up, None


def _only_adapter(layer: Linear) -> str | None:
    """The one plain adapter at work in a layer, or None when PEFT's own forward has to run."""
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.disable_adapters or layer.merged or len(active) != 1:
        return None
    name: str = active[0]
    plain = (
        name not in layer.lora_variant
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and layer.lora_B[name].bias is None
        and type(layer.base_layer) is torch.nn.Linear
        and not layer.base_layer.weight.requires_grad
    )
    return name if plain else None


def speed_up_lora(model: torch.nn.Module) -> int:
    """Let every plain LoRA layer of ``model`` run as one operation; returns how many layers were newly changed.

    A layer goes back to PEFT's own forward by itself whenever it is not plain at that moment: adapters disabled or
    merged, several active, dropout, DoRA, a quantised base, autocast.
    """
    changed = 0
    for layer in model.modules():
        if isinstance(layer, Linear) and not getattr(layer, _MARK, False):
            _replace_forward(layer)
            changed += 1
    return changed


def _replace_forward(layer: Linear) -> None:
    ordinary = layer.forward

    @functools.wraps(ordinary)
    def forward(self: Linear, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        name = None if args or kwargs or torch.is_autocast_enabled(x.device.type) else _only_adapter(self)
        if name is None or x.dtype != self.base_layer.weight.dtype:
            return ordinary(x, *args, **kwargs)
        base, down, up = self.base_layer, self.lora_A[name].weight, self.lora_B[name].weight
        run: Any = _LoraLinear.apply
        return run(x, base.weight, base.bias, down, up, self.scaling[name])

    layer.forward = types.MethodType(forward, layer)
    setattr(layer, _MARK, True)
