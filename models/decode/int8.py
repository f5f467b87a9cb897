"""Eight-bit products for decoding on a CPU: weights rounded once, channel by channel, inputs as they come.

A step of a few rows reads every weight once and little else, so a quarter of the bytes is most of the gain. The inputs
of one product share one scale, over all rows of the batch: what an answer says can depend, a little, on what else is
decoded beside it. Only the layers are rounded; the head stays exact.
"""

import warnings
from typing import Any

import torch
from torch import nn

ENGINE = "x86"


class Int8Linear(nn.Module):
    """A linear layer with eight-bit weights, float32 in and out.

    Args:
        linear: the layer to stand in for; on a CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-8).double()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            rounded = torch.quantize_per_channel(
                weight, scale, torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8
            )
        bias = None if linear.bias is None else linear.bias.detach().float()
        self._packed = torch.ops.quantized.linear_prepack(rounded, bias)
        # Without these instructions the sums of two products are kept in 16 bits, which needs inputs of seven.
        self._reduce = not torch.cpu._is_vnni_supported()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of shape (..., in) to outputs of shape (..., out)."""
        outputs: torch.Tensor = torch.ops.quantized.linear_dynamic(inputs, self._packed, self._reduce)
        return outputs


def use_int8(model: Any) -> None:
    """Replace the linear layers of a model's body. Changes the model; the head and the embeddings stay.

    Raises:
        ValueError: the model is not float32 on a CPU, or this build of torch has no eight-bit products.
    """
    if model.device.type != "cpu" or model.dtype != torch.float32:
        raise ValueError("eight-bit products are for float32 models on a CPU")
    if ENGINE not in torch.backends.quantized.supported_engines:
        raise ValueError(f"this build of torch has no eight-bit products for this processor ({ENGINE})")
    torch.backends.quantized.engine = ENGINE
    _replace(model.base_model)


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            _replace(child)
