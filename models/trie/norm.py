"""RMS norm as one operation that keeps no copies (Zhang and Sennrich 2019, arXiv:1910.07467, equation 4).

    y = f * x / sqrt(mean(x^2) + eps)

transformers' modules take some ten passes over the tokens in float32, twenty with their gradient, and keep several
results for it; where matrix products are in bfloat16 that is a tenth of a step. Here only the input and one number a
token are kept, results are overwritten, and queries are read in the order in which they lie in memory. Arithmetic is in
float32 and rounded once.
"""

import functools
import inspect
import types
from typing import Any

import torch

_MARK = "_ondo_norm"


class _RmsNorm(torch.autograd.Function):
    """Value and gradient for a factor that is not trained; input of shape (..., width), in any precision."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: torch.Tensor, eps: float) -> torch.Tensor:
        strides = x.stride()
        order = sorted(range(x.ndim - 1), key=lambda axis: -strides[axis])
        lying = x.permute(*order, -1)
        wide = lying.reshape(-1, x.shape[-1]).to(torch.float32, copy=True)
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.order, ctx.back = order, [order.index(axis) for axis in range(x.ndim - 1)]
        ctx.save_for_backward(x, factor, inverse)
        return wide.mul_(inverse).mul_(factor).to(x.dtype).view(lying.shape).permute(*ctx.back, -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, factor, inverse = ctx.saved_tensors
        lying = x.permute(*ctx.order, -1)
        wide = lying.reshape(-1, x.shape[-1]).float()
        pull = grad.permute(*ctx.order, -1).reshape(wide.shape).to(torch.float32, copy=True).mul_(factor)
        # with g the gradient of x / length: inverse * (g - x * inverse^2 * mean(g x))
        mean = (wide * pull).mean(-1, keepdim=True).mul_(inverse).mul_(inverse)
        pull.addcmul_(wide, mean, value=-1).mul_(inverse)
        return pull.to(x.dtype).view(lying.shape).permute(*ctx.back, -1), None, None


def speed_up_norms(model: torch.nn.Module) -> int:
    """Let every RMS norm of ``model`` run as one operation; returns how many were newly changed.

    A norm is known by what it does: a module named ``...RMSNorm`` whose output on a few vectors is that of the formula
    with its weight as the factor (Llama, Qwen), or with one added to it (Gemma). Others stay as they are, and a norm
    goes back to its own forward while its weight is trained.
    """
    changed = 0
    for module in model.modules():
        if not type(module).__name__.endswith("RMSNorm") or getattr(module, _MARK, False):
            continue
        eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        shift = None if eps is None else _shift(module, eps)
        if eps is not None and shift is not None:
            _replace_forward(module, shift, eps)
            changed += 1
    return changed


def _shift(module: torch.nn.Module, eps: float) -> float | None:
    """What the module adds to its weight to make the factor, 0 or 1, found by trying; None when it is neither."""
    values = dict(module.named_parameters())
    weight = values.get("weight")
    if weight is None or weight.ndim != 1 or len(values) > 1 or len(inspect.signature(module.forward).parameters) != 1:
        return None
    vectors = torch.randn(2, len(weight), generator=torch.Generator().manual_seed(0))
    vectors[1] *= eps**0.5  # where eps matters
    with torch.no_grad():
        vectors = vectors.to(weight.device)
        expected = module(vectors)
        for shift in (0.0, 1.0):
            found = _RmsNorm.apply(vectors, weight.float() + shift, eps)  # type: ignore[no-untyped-call]
            if found.shape == expected.shape and torch.allclose(found, expected.float(), rtol=1e-5, atol=1e-6):
                return shift
    return None


def _replace_forward(module: Any, shift: float, eps: float) -> None:
    ordinary = module.forward

    @functools.wraps(ordinary)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.weight.requires_grad or kwargs:
            return ordinary(*args, **kwargs)
        run: Any = _RmsNorm.apply
        return run(*args, self.weight.float() + shift, eps)

    module.forward = types.MethodType(forward, module)
    setattr(module, _MARK, True)
