"""Gemma 3's layers for decoding on a CPU, in fewer and larger steps than its own modules take.

A step of a few rows is short, so what counts beside reading the weights is how many operations there are: queries, keys
and values come out of one product, gate and up out of one, rotations out of a table, weights lie packed for the
processor (oneDNN), and a norm is a length and a quotient, its factors part of the next weights or of a sum. The numbers
are those of the model's own pass up to rounding; the tests hold that in float32.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch.nn import functional

from models.decode.attention import Pass
from models.dtype import half_is_fast, shortest_s

_ROWS = 16
"""What the packing is laid out for; other numbers of rows work too."""


class Product:
    """``inputs @ weight.T`` on a CPU, with the weight kept in some precision; takes and gives float32.

    Args:
        weight: shape (out, in).
        dtype: bfloat16 halves what is read and rounds the inputs too (oneDNN); float16 halves it and rounds the weight
            alone (FBGEMM, on x86). A weight that float16 cannot hold stays in float32.
    """

    def __init__(self, weight: torch.Tensor, dtype: torch.dtype = torch.float32) -> None:
        if dtype == torch.float16 and weight.abs().max() > torch.finfo(torch.float16).max:
            dtype = torch.float32
        self._multiply: Callable[..., Any]
        if dtype == torch.float16:
            self._inputs, self._multiply = torch.float32, torch.ops.quantized.linear_dynamic_fp16
            self._weight = torch.ops.quantized.linear_prepack_fp16(weight.float(), None)
        elif torch.backends.mkldnn.is_available() and (
            dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        ):
            self._inputs, self._multiply = dtype, _packed
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), _ROWS)
        else:
            self._inputs, self._multiply, self._weight = dtype, functional.linear, weight.to(dtype)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Shape (..., out), for ``inputs`` of shape (..., in)."""
        return cast(torch.Tensor, self._multiply(inputs.to(self._inputs), self._weight).float())


@cache
def quickest_dtype() -> torch.dtype:
    """The precision in which this processor multiplies a few rows fastest; timed once in a process (up to 0.1 s)."""
    dtypes = [torch.float32]
    if half_is_fast():
        dtypes.append(torch.bfloat16)
    if torch.backends.quantized.engine in ("fbgemm", "x86"):
        dtypes.append(torch.float16)
    generator = torch.Generator().manual_seed(0)
    rows, weight = (torch.randn(count, 1024, generator=generator) for count in (_ROWS, 4096))
    products = {dtype: Product(weight, dtype) for dtype in dtypes}
    return min(dtypes, key=lambda dtype: shortest_s(lambda: products[dtype](rows)))


def _packed(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, torch.ops.mkldnn._linear_pointwise(inputs, weight, None, "none", [], ""))


@dataclass(frozen=True)
class _Layer:
    """One layer's products, which hold the factors of the norms before them, and the factors of the others (width,)."""

    kind: str
    window: int | None
    scaling: float
    qkv: Product
    heads: torch.Tensor
    out: Product
    mixed: torch.Tensor
    gate_up: Product
    down: Product
    after: torch.Tensor


class LeanBody:
    """A copy of a Gemma 3 body's weights and the pass through them.

    Args:
        model: for which :func:`can_be_lean` says yes, in float32.
        dtype: of the products, see :class:`Product`; everything else is float32.
        positions: how many there are at most.
    """

    def __init__(self, model: Any, dtype: torch.dtype, positions: int = 2048) -> None:
        body, config = model.base_model, model.config
        self._dtype = dtype
        # |x| / sqrt(n) and the root of eps are the sides of a right triangle whose third is what a norm divides by
        self._least = {
            width: torch.tensor(math.sqrt(width * config.rms_norm_eps))
            for width in (config.hidden_size, config.head_dim)
        }
        self._query_heads, self._key_heads, self._width = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self._embed, self._final = body.embed_tokens, _factor(body.norm)
        every = torch.arange(positions)[None]
        self._rotations = {
            kind: _rotation(*body.rotary_emb(self._final, every, kind)) for kind in sorted(set(config.layer_types))
        }
        self._layers = [self._layer(layer, config.layer_types[index]) for index, layer in enumerate(body.layers)]

    def __call__(self, tokens: torch.Tensor, positions: torch.Tensor, work: Pass) -> torch.Tensor:
        """Hidden states, shape (B, L, H), of tokens and their positions, each (B, L)."""
        hidden: torch.Tensor = self._embed(tokens)
        rotations = {
            kind: (cos[positions].unsqueeze(2), sin[positions].unsqueeze(2))
            for kind, (cos, sin) in self._rotations.items()
        }
        for number, layer in enumerate(self._layers):
            mixed = self._attend(number, layer, self._norm(hidden), rotations[layer.kind], work)
            hidden = torch.addcmul(hidden, self._norm(mixed), layer.mixed)
            gate, up = layer.gate_up(self._norm(hidden)).chunk(2, -1)
            inner = functional.gelu(gate, approximate="tanh").mul_(up)
            hidden = torch.addcmul(hidden, self._norm(layer.down(inner)), layer.after)
        return self._norm(hidden).mul_(self._final)

    def _attend(
        self,
        number: int,
        layer: _Layer,
        inputs: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        work: Pass,
    ) -> torch.Tensor:
        rows, length, _ = inputs.shape
        turned = self._query_heads + self._key_heads
        every = layer.qkv(inputs).view(rows, length, turned + self._key_heads, self._width)
        cos, sin = rotation
        queries_keys = self._norm(every[:, :, :turned]).mul_(layer.heads)
        queries_keys = (queries_keys * cos).addcmul_(queries_keys.roll(self._width // 2, -1), sin)
        query, key = (part.transpose(1, 2) for part in queries_keys.split([self._query_heads, self._key_heads], dim=2))
        value = every[:, :, turned:].transpose(1, 2)
        mixed = work.attend(number, query, key, value, layer.scaling, layer.window)
        return layer.out(mixed.reshape(rows, length, -1))

    def _norm(self, inputs: torch.Tensor) -> torch.Tensor:
        """RMS norm (Zhang and Sennrich 2019) over sqrt(width); the root of the width is in the factors."""
        length = torch.linalg.vector_norm(inputs, dim=-1, keepdim=True)
        return inputs / torch.hypot(length, self._least[inputs.shape[-1]])

    def _layer(self, layer: Any, kind: str) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp

        def joined(*modules: Any, norm: Any = None) -> Product:
            weight = torch.cat([module.weight.detach() for module in modules])
            return Product(weight if norm is None else weight * _factor(norm), self._dtype)

        query, key = (_factor(norm) for norm in (attention.q_norm, attention.k_norm))
        return _Layer(
            kind=kind,
            window=attention.sliding_window,
            scaling=attention.scaling,
            qkv=joined(attention.q_proj, attention.k_proj, attention.v_proj, norm=layer.input_layernorm),
            heads=torch.cat([query.expand(self._query_heads, -1), key.expand(self._key_heads, -1)]),
            out=joined(attention.o_proj),
            mixed=_factor(layer.post_attention_layernorm),
            gate_up=joined(mlp.gate_proj, mlp.up_proj, norm=layer.pre_feedforward_layernorm),
            down=joined(mlp.down_proj),
            after=_factor(layer.post_feedforward_layernorm),
        )


def can_be_lean(model: Any) -> bool:
    """Whether a model is a Gemma 3 in float32 on a CPU, with nothing that :class:`LeanBody` does not know."""
    config = model.config
    return bool(
        config.model_type == "gemma3_text"
        and model.dtype == torch.float32
        and model.device.type == "cpu"
        and not config.attention_bias
        and config.attn_logit_softcapping is None
        and config.hidden_activation == "gelu_pytorch_tanh"
        and not config.use_bidirectional_attention
    )


def _factor(norm: Any) -> torch.Tensor:
    """What a norm multiplies by, Gemma keeps it less one, times the root of the width."""
    factor: torch.Tensor = (1.0 + norm.weight.detach()).float()
    return factor * math.sqrt(len(factor))


def _rotation(cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tables (positions, width) for ``x * cos + roll(x) * sin``, where the roll's first half counts negative."""
    half = cos.shape[-1] // 2
    return cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)
