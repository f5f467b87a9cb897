"""Half-precision products for decoding on a CPU: bfloat16 weights and inputs in the layers, float32 everywhere else.

A step of a few rows reads every weight once and does little else, so half the bytes is half the time. Not every greedy
answer is that of float32 to the last letter (docs/serving.md). Nothing is shared between the rows of a batch.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class HalfLinear(nn.Module):
    """A linear layer with bfloat16 weights, float32 in and out.

    Args:
        linear: the layer to stand in for.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach().bfloat16(), requires_grad=False)
        bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().bfloat16(), requires_grad=False)
        self.bias = bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of shape (..., in) to outputs of shape (..., out)."""
        return functional.linear(inputs.bfloat16(), self.weight, self.bias).float()


def use_half(model: Any) -> None:
    """Replace the linear layers of a model's body. Changes the model; the head and the embeddings stay.

    Raises:
        ValueError: the model is not float32.
    """
    if model.dtype != torch.float32:
        raise ValueError(f"half-precision products are for float32 models, not {model.dtype}")
    _replace(model.base_model)


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, HalfLinear(child))
        else:
            _replace(child)
