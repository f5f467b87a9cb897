"""Attention over a trie layout, block by block, as a transformers attention function.

The layout travels as the attention mask (:mod:`models.carrier`). So there is no way to reach this function with packed
tokens and without their layout. Calls without such a mask are ordinary ones (generation, stock evaluation) and go to
transformers' own scaled-dot-product attention with its own mask.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.carrier import carried, is_carrier
from models.trie.layout import Block, Trie, cut_blocks

NAME = "ondo_trie"
BEYOND = ("softcap", "s_aux", "position_bias", "cache", "head_mask")
"""Arguments that change what attention computes and that our attention functions do not know how to honour."""


@dataclass(eq=False)
class Layout:
    """A trie cut into attention blocks, with the masks and gather indices of each, made when first asked for."""

    trie: Trie
    blocks: tuple[Block, ...] = ()
    calls: int = 0
    _masks: dict[Any, list[torch.Tensor]] = field(default_factory=dict)
    _paths: dict[tuple[int, torch.device], torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = self.blocks or cut_blocks(self.trie)

    def path(self, block: Block, device: torch.device) -> torch.Tensor:
        """The ancestors of a block's first node, as an index."""
        key = (block.start, device)
        if key not in self._paths:
            self._paths[key] = torch.from_numpy(block.path).to(device)
        return self._paths[key]

    def masks(self, window: int | None, groups: int, dtype: torch.dtype, device: torch.device) -> list[torch.Tensor]:
        """Additive masks, one a block, shape (groups * queries, keys); ``groups`` query heads share a key head."""
        if window is not None and window > int(self.trie.depth.max()):
            window = None
        key = (window, groups, dtype, device)
        if key not in self._masks:
            self._masks[key] = [self._mask(block, window, groups, dtype, device) for block in self.blocks]
        return self._masks[key]

    def _mask(
        self, block: Block, window: int | None, groups: int, dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        seen = torch.from_numpy(self.trie.visible(np.arange(block.start, block.stop), block.keys, window)).to(device)
        mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))
        return mask.repeat(groups, 1)


def trie_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of every node to itself and its ancestors.

    Args:
        module: the attention layer.
        query: shape (1, heads, T, width); ``key`` and ``value`` have fewer heads under grouped queries.
        key: see ``query``.
        value: see ``query``.
        attention_mask: the carrier of a layout, or an ordinary mask for an ordinary call.
        dropout: must be 0 for packed tokens.
        scaling: factor on the scores, ``width ** -0.5`` when None.
        sliding_window: the layer's window in positions, or None.
        **kwargs: what else the model passes along.

    Returns:
        The mixed values, shape (1, T, heads, width), and None in place of the weights.

    Raises:
        RuntimeError: the carrier is unknown or the layout does not belong to these tokens.
        ValueError: the layer asks for something this function cannot do exactly.
    """
    if not is_carrier(attention_mask):
        ordinary: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            sliding_window=sliding_window,
            **kwargs,
        )
        return ordinary
    layout = carried(attention_mask, Layout)
    if layout is None:
        raise RuntimeError("packed attention was called without its layout; call the model through the packed forward")
    refused = [name for name in BEYOND if kwargs.get(name) is not None]
    if dropout or refused:
        raise ValueError(f"packed attention cannot honour {', '.join(refused) or 'attention dropout'} of this model")
    if query.shape[0] != 1 or query.shape[2] != len(layout.trie) or key.shape[2] != len(layout.trie):
        raise RuntimeError(f"layout of {len(layout.trie)} nodes met queries of shape {tuple(query.shape)}")
    layout.calls += 1
    return attend(query, key, value, layout, scaling, sliding_window), None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    scaling: float | None = None,
    window: int | None = None,
) -> torch.Tensor:
    """The computation of :func:`trie_attention`; output shape (1, T, heads, width)."""
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    masks = layout.masks(window, query.shape[1] // key.shape[1], query.dtype, query.device)
    mixed: torch.Tensor = _TrieAttention.apply(query, key, value, layout, masks, scaling)  # type: ignore[no-untyped-call]
    return mixed


class _TrieAttention(torch.autograd.Function):
    """Softmax attention block by block, as plain products.

    On a CPU they are twice as fast as fused attention, which shares out work by head in its backward pass and so leaves
    cores idle where few key heads are left. The weights of each block are kept: blocks are small.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        layout: Layout,
        masks: list[torch.Tensor],
        scaling: float,
    ) -> torch.Tensor:
        _, heads, size, width = query.shape
        kv_heads = key.shape[1]
        keep = any(ctx.needs_input_grad)
        out = query.new_empty(1, size, heads, width)
        # query heads that share a key head stand one below the other: no copies of the keys
        grouped = query.view(kv_heads, heads // kv_heads, size, width)
        placed = out.view(size, kv_heads, heads // kv_heads, width)
        kept = []
        for block, mask in zip(layout.blocks, masks, strict=True):
            rows = slice(block.start, block.stop)
            keys, values = (_block_keys(states[0], layout, block) for states in (key, value))
            queries = grouped[:, :, rows].reshape(kv_heads, -1, width)
            weights = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=scaling).softmax(-1)
            mixed = torch.bmm(weights, values).view(kv_heads, -1, block.stop - block.start, width)
            placed[rows] = mixed.permute(2, 0, 1, 3)
            if keep:
                kept.append(weights)
        ctx.layout, ctx.scaling = layout, scaling
        ctx.save_for_backward(query, key, value, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        _, heads, size, width = query.shape
        kv_heads = key.shape[1]
        grouped = query.view(kv_heads, heads // kv_heads, size, width)
        pulled = grad.view(size, kv_heads, heads // kv_heads, width).permute(1, 2, 0, 3)
        query_grad = torch.empty_like(grouped)
        # many blocks add to a shared token: summed in float32
        key_grad, value_grad = (torch.zeros_like(states[0], dtype=torch.float32) for states in (key, value))
        for block, weights in zip(ctx.layout.blocks, kept, strict=True):
            rows = slice(block.start, block.stop)
            keys, values = (_block_keys(states[0], ctx.layout, block) for states in (key, value))
            queries = grouped[:, :, rows].reshape(kv_heads, -1, width)
            pull = pulled[:, :, rows].reshape(kv_heads, -1, width)
            _add_to_keys(value_grad, torch.bmm(weights.transpose(1, 2), pull), ctx.layout, block)
            slope = torch.bmm(pull, values.transpose(1, 2))
            slope = torch.ops.aten._softmax_backward_data(slope, weights, -1, weights.dtype)
            _add_to_keys(key_grad, torch.bmm(slope.transpose(1, 2), queries), ctx.layout, block)
            query_grad[:, :, rows] = torch.bmm(slope, keys).view(kv_heads, -1, block.stop - block.start, width)
        return (
            query_grad.mul_(ctx.scaling).view(query.shape),
            key_grad.mul_(ctx.scaling).to(key.dtype)[None],
            value_grad.to(value.dtype)[None],
            None,
            None,
            None,
        )


def _block_keys(states: torch.Tensor, layout: Layout, block: Block) -> torch.Tensor:
    """States (key heads, T, width) of a block's path and own nodes, in the order of its mask."""
    own = states[:, block.start : block.stop]
    if not len(block.path):
        return own
    return torch.cat([states.index_select(1, layout.path(block, states.device)), own], dim=1)


def _add_to_keys(sums: torch.Tensor, grad: torch.Tensor, layout: Layout, block: Block) -> None:
    """Add a block's gradient by key to the float32 sums of all nodes, shape (key heads, T, width)."""
    above = len(block.path)
    if above:
        sums.index_add_(1, layout.path(block, sums.device), grad[:, :above].float())
    sums[:, block.start : block.stop] += grad[:, above:]


AttentionInterface.register(NAME, trie_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
