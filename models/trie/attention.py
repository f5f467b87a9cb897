"""Attention over a trie layout, block by block, as a transformers attention function.

The layout travels as the attention mask: a 1x1x1x1 integer tensor that transformers hands through untouched (it takes
any 4-D mask as finished) and that names a layout held here. So there is no way to reach this function with packed
tokens and without their layout. Calls without such a mask are ordinary ones (generation, stock evaluation) and go to
transformers' own scaled-dot-product attention with its own mask.
"""

import itertools
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.trie.layout import Block, Trie, cut_blocks

NAME = "ondo_trie"
_tickets = itertools.count(1)
# Weak: a layout lives as long as a carrier does, so that checkpointed layers find it again in the backward pass.
_layouts: weakref.WeakValueDictionary[int, "Layout"] = weakref.WeakValueDictionary()
# Arguments that change what attention computes and that this function does not know how to honour.
_REFUSED = ("softcap", "s_aux", "position_bias", "cache", "head_mask")


@dataclass(eq=False)
class Layout:
    """A trie cut into attention blocks, with the masks and gather indices of each, made when first asked for."""

    trie: Trie
    blocks: tuple[Block, ...] = ()
    calls: int = 0
    _masks: dict[Any, list[torch.Tensor]] = field(default_factory=dict)
    _index: dict[torch.device, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = self.blocks or cut_blocks(self.trie)

    def key_index(self, device: torch.device) -> torch.Tensor:
        """The key nodes of all blocks, one after another, shape (sum of keys,)."""
        if device not in self._index:
            self._index[device] = torch.from_numpy(np.concatenate([block.keys for block in self.blocks])).to(device)
        return self._index[device]

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


def carrier(layout: Layout) -> torch.Tensor:
    """The mask that carries ``layout`` through a model, shape (1, 1, 1, 1); it keeps the layout alive."""
    mask = torch.tensor(next(_tickets), dtype=torch.int64).view(1, 1, 1, 1)
    _layouts[int(mask)] = layout
    mask.trie_layout = layout  # type: ignore[attr-defined]
    return mask


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
        attention_mask: the carrier of :func:`carrier`, or an ordinary mask for an ordinary call.
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
    if attention_mask is None or attention_mask.dtype != torch.int64:
        return sdpa_attention_forward(
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
    layout = _layouts.get(int(attention_mask.reshape(-1)[0])) if attention_mask.numel() == 1 else None
    if layout is None:
        raise RuntimeError("packed attention was called without its layout; call the model through the packed forward")
    refused = [name for name in _REFUSED if kwargs.get(name) is not None]
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
    _, heads, size, width = query.shape
    kv_heads = key.shape[1]
    groups = heads // kv_heads
    index = layout.key_index(key.device)
    lengths = [len(block.path) + block.stop - block.start for block in layout.blocks]
    sizes = [block.stop - block.start for block in layout.blocks]
    # one gather for all blocks: its backward is one indexed sum instead of one pass over all nodes a block
    keys = key.index_select(2, index).split(lengths, dim=2)
    values = value.index_select(2, index).split(lengths, dim=2)
    queries = query.view(1, kv_heads, groups, size, width).split(sizes, dim=3)
    masks = layout.masks(window, groups, query.dtype, query.device)
    parts = []
    for part, block_keys, block_values, mask in zip(queries, keys, values, masks, strict=True):
        # query heads that share a key head stand one below the other: no copies of the keys
        folded = part.reshape(1, kv_heads, -1, width)
        mixed = F.scaled_dot_product_attention(folded, block_keys, block_values, attn_mask=mask, scale=scaling)
        parts.append(mixed.view(1, kv_heads, groups, -1, width))
    return torch.cat(parts, dim=3).view(1, heads, size, width).transpose(1, 2).contiguous()


AttentionInterface.register(NAME, trie_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
