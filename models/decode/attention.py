"""Attention while decoding: prompts laid out as a trie first, then some tokens a row over keys kept in slots.

A row's keys stand in two places: those of the tokens that all prompts begin with, kept once for all rows, and the row's
own, in its slot. So the shared part costs one matrix product for the whole batch and is neither copied nor read once a
row. What is to be done travels as the attention mask (:mod:`models.carrier`): a pass, which reads and writes the keys
itself; the model runs as if it had no cache.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from models.carrier import carried
from models.trie.attention import BEYOND, Layout, attend
from models.trie.layout import Trie

NAME = "ondo_decode"
GROWTH = 32
"""Positions by which slots grow when a row outgrows them."""


class CannotDecodeError(ValueError):
    """A model mixes tokens in a way that keys in slots cannot follow."""


class Pass(ABC):
    """One forward pass: takes a layer's queries, keys and values, gives back the mixed values."""

    @abstractmethod
    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """Shapes as in :func:`decode_attention`."""


class Prefill(Pass):
    """The pass over the trie of some prompts; keeps what every layer computes.

    Attributes:
        keys: one a layer, shape (key heads, T, width), in order of the layers.
        values: likewise.
    """

    def __init__(self, trie: Trie) -> None:
        self._layout = Layout(trie)
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of every node to itself and its ancestors."""
        self._keep(layer, key, value)
        return attend(query, key, value, self._layout, scaling, window)

    def of(self, nodes: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Keys and values of some nodes, shape (R,): copies, one a layer, shape (key heads, R, width) each."""
        return [keys.index_select(1, nodes) for keys in self.keys], [
            values.index_select(1, nodes) for values in self.values
        ]

    def _keep(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        if layer != len(self.keys):
            raise CannotDecodeError(f"layer {layer} attends after {len(self.keys)} others")
        self.keys.append(key[0])
        self.values.append(value[0])


@dataclass(frozen=True)
class _New:
    """Where the T tokens of a pass belong.

    Attributes:
        rows: of each, shape (T,).
        places: in its row's slot, shape (T,).
        square: of T, as many of each row, row by row, shape (size * count,).
        flat: of ``square``'s entries those of the T tokens, shape (T,).
    """

    rows: torch.Tensor
    places: torch.Tensor
    square: torch.Tensor
    flat: torch.Tensor


class Slots(Pass):
    """Keys and values of the rows at work, and the pass that takes each of them some tokens further.

    Args:
        prefill: holds the shared beginning.
        prefix: its nodes, which are the first positions of every row, shape (P,).
        rows: how many slots.
        room: positions of a slot at first.
    """

    def __init__(self, prefill: Prefill, prefix: torch.Tensor, rows: int, room: int) -> None:
        self._prefix = len(prefix)
        self._shared = list(zip(*prefill.of(prefix), strict=True))
        # Zeros, not whatever the memory holds: a masked position still takes part with weight 0.
        self._own = [
            tuple(kind.new_zeros(rows, kind.shape[0], room, kind.shape[2]) for kind in pair) for pair in self._shared
        ]
        self._device, self._longest = prefix.device, 0
        self._lengths: list[int] = []
        """Positions that are taken in the slot of each row at work."""
        self._masks: dict[int | None, torch.Tensor] = {}

    @property
    def size(self) -> int:
        """How many rows are at work."""
        return len(self._lengths)

    @property
    def prefix(self) -> int:
        """How many positions all rows share."""
        return self._prefix

    def shared(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer's keys and values of the shared beginning, shape (key heads, P, width) each."""
        return self._shared[layer]

    def admit(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
        """Put one more row to work, in the slot behind the others.

        Args:
            keys: of its prompt behind the shared beginning, see :meth:`Prefill.of`.
            values: likewise.
        """
        slot, length = self.size, keys[0].shape[1]
        self._make_room(length + 1)
        for own, key, value in zip(self._own, keys, values, strict=True):
            own[0][slot, :, :length] = key
            own[1][slot, :, :length] = value
        self._lengths.append(length)

    def remove(self, slot: int) -> None:
        """Take a row out; the last row moves into its slot."""
        length = self._lengths.pop()
        if slot != self.size:
            for pair in self._own:
                for kind in pair:
                    kind[slot, :, :length] = kind[self.size, :, :length]
            self._lengths[slot] = length

    def begin(self, counts: Sequence[int]) -> torch.Tensor:
        """Make room for the next tokens of every row, before every pass; their positions, one row's behind another's.

        Args:
            counts: how many of each row, at least 1.

        Returns:
            Positions, shape (T,).
        """
        most = max(counts)
        rows = [row for row, count in enumerate(counts) for _ in range(count)]
        numbers = [number for count in counts for number in range(count)]
        places = [self._lengths[row] + number for row, number in zip(rows, numbers, strict=True)]
        # attention wants as many queries of every row: a row with fewer takes its last one again
        square = [
            end - max(1, count - number)
            for end, count in zip(accumulate(counts), counts, strict=True)
            for number in range(most)
        ]
        flat = [row * most + number for row, number in zip(rows, numbers, strict=True)]
        self._lengths = [length + count for length, count in zip(self._lengths, counts, strict=True)]
        self._longest = max(self._lengths)
        self._make_room(self._longest)
        self._masks.clear()
        self._new = _New(*(torch.tensor(each, device=self._device) for each in (rows, places, square, flat)))
        return self._prefix + self._new.places

    def cut(self, lengths: Sequence[int]) -> None:
        """Take back the last tokens of every row, down to so many behind the shared beginning."""
        self._lengths = list(lengths)

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of a row's new tokens to the shared beginning and to the row's own up to themselves."""
        size, longest, new = self.size, self._longest, self._new
        heads, width = query.shape[1], query.shape[3]
        if query.shape[0] * query.shape[2] != len(new.rows):
            raise RuntimeError(f"{len(new.rows)} tokens at work met queries of shape {tuple(query.shape)}")
        own_keys, own_values = self._own[layer]
        own_keys[new.rows, :, new.places] = key[0].transpose(0, 1)
        own_values[new.rows, :, new.places] = value[0].transpose(0, 1)
        own_keys, own_values = own_keys[:size, :, :longest], own_values[:size, :, :longest]
        shared_keys, shared_values = self._shared[layer]
        kv_heads = key.shape[1]
        groups = heads // kv_heads
        # a token's queries stand together, so that with one key head nothing has to be moved from here on
        square = query[0].transpose(0, 1).index_select(0, new.square)
        grouped = square.view(size, -1, kv_heads, groups, width).transpose(1, 2).flatten(2, 3)
        queries = grouped.shape[2]
        # (kv heads, rows * queries, width): every row's queries meet the shared keys in one product
        folded = grouped.transpose(0, 1).reshape(kv_heads, size * queries, width)
        near = torch.matmul(grouped, own_keys.transpose(2, 3))
        far = torch.matmul(folded, shared_keys.transpose(1, 2)).view(kv_heads, size, queries, -1).transpose(0, 1)
        scores = torch.cat([far, near], dim=3).float().mul_(scaling)
        scores.view(size, kv_heads, queries // groups, groups, -1).add_(self._mask(window))
        weights = scores.softmax(dim=3).to(query.dtype)
        far, near = weights.split([self._prefix, longest], dim=3)
        mixed = torch.matmul(near, own_values)
        far = far.transpose(0, 1).reshape(kv_heads, size * queries, -1)
        mixed += torch.matmul(far, shared_values).view(kv_heads, size, queries, -1).transpose(0, 1)
        mixed = mixed.view(size, kv_heads, -1, groups, width).transpose(1, 2).reshape(-1, heads, width)
        return mixed.index_select(0, new.flat)[None]

    def _mask(self, window: int | None) -> torch.Tensor:
        """Additive, shape (size, 1, count, 1, P + longest)."""
        if window is not None and window >= self._prefix + self._longest:
            window = None
        if window not in self._masks:
            key = torch.arange(self._prefix + self._longest, device=self._device)
            own = self._prefix + self._new.places[self._new.square].view(self.size, -1, 1)
            hidden = key > own
            if window is not None:
                hidden |= key <= own - window
            mask = torch.zeros(hidden.shape, device=key.device).masked_fill_(hidden, float("-inf"))
            self._masks[window] = mask[:, None, :, None]
        return self._masks[window]

    def _make_room(self, length: int) -> None:
        missing = length - self._own[0][0].shape[2]
        if missing > 0:
            room = (0, 0, 0, max(missing, GROWTH))
            self._own = [tuple(torch.nn.functional.pad(kind, room) for kind in pair) for pair in self._own]


def decode_attention(
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
    """A transformers attention function that hands its layer over to the pass at work.

    Args:
        module: the attention layer, with its number as ``layer_idx``.
        query: shape (B, heads, L, width); ``key`` and ``value`` have fewer heads under grouped queries.
        key: see ``query``.
        value: see ``query``.
        attention_mask: the carrier of a pass.
        dropout: must be 0.
        scaling: factor on the scores, ``width ** -0.5`` when None.
        sliding_window: the layer's window in positions, or None.
        **kwargs: what else the model passes along.

    Returns:
        The mixed values, shape (B, L, heads, width), and None in place of the weights.

    Raises:
        CannotDecodeError: the layer asks for something that keys in slots cannot give exactly.
    """
    work = carried(attention_mask, Pass)  # type: ignore[type-abstract] # any of its kinds
    if work is None:
        raise CannotDecodeError("the model changed the attention mask on its way")
    refused = [name for name in BEYOND if kwargs.get(name) is not None]
    if dropout or refused:
        raise CannotDecodeError(f"its attention asks for {', '.join(refused) or 'dropout'}")
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return work.attend(int(module.layer_idx), query, key, value, scaling, sliding_window), None  # type: ignore[arg-type]


AttentionInterface.register(NAME, decode_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
