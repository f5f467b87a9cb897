"""The prefix trie of a batch of token rows, laid out once.

Nodes stand in depth-first order, so the nodes below a node are one contiguous range and "is an ancestor of" is an
interval test: ``j`` is ``i`` or an ancestor of it exactly when ``j <= i < end[j]``. Everything here is plain numpy.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# What one attention call costs beyond its products, in query-key cells: keeps tiny branches together.
BLOCK_OVERHEAD = 6_000


@dataclass(frozen=True)
class Trie:
    """A laid-out prefix trie of T nodes.

    Attributes:
        tokens: token of each node, shape (T,).
        depth: position of each node in its rows, shape (T,).
        parent: node before it, -1 for a first token, shape (T,).
        end: one past the last node below it, shape (T,).
        rows: for every row the nodes it walks through, in the order the rows were given.
    """

    tokens: Ints
    depth: Ints
    parent: Ints
    end: Ints
    rows: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    def path(self, node: int) -> Ints:
        """The ancestors of a node, the root first, without the node itself."""
        found = np.empty(int(self.depth[node]), dtype=np.int64)
        for position in range(len(found) - 1, -1, -1):
            node = int(self.parent[node])
            found[position] = node
        return found

    def visible(self, queries: Ints, keys: Ints, window: int | None = None) -> NDArray[np.bool_]:
        """Which keys each query node attends to, shape (queries, keys): itself and its ancestors, within the window.

        ``window`` counts positions, the query's own included, as transformers' sliding-window layers do.
        """
        mask = (keys[None, :] <= queries[:, None]) & (queries[:, None] < self.end[keys][None, :])
        if window is not None:
            mask &= self.depth[queries][:, None] - self.depth[keys][None, :] < window
        return mask


def build_trie(rows: Sequence[Sequence[int] | Ints]) -> Trie:
    """Lay out the prefix trie of ``rows``: duplicates, rows inside other rows and empty rows are allowed.

    Raises:
        ValueError: no row holds a token.
    """
    arrays = [np.asarray(row, dtype=np.int64) for row in rows]
    if not any(len(row) for row in arrays):
        raise ValueError("a trie needs at least one token, but every row is empty")
    order = sorted(range(len(arrays)), key=lambda index: arrays[index].tolist())
    room = sum(len(row) for row in arrays)
    tokens, depth, parent, end = (np.zeros(room, dtype=np.int64) for _ in range(4))
    walked: list[Ints] = [np.empty(0, dtype=np.int64)] * len(arrays)
    size, previous, path = 0, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    for index in order:
        row = arrays[index]
        shared = common_prefix(previous, row)
        end[path[shared:]] = size
        fresh = np.arange(size, size + len(row) - shared)
        tokens[fresh], depth[fresh] = row[shared:], np.arange(shared, len(row))
        parent[fresh] = fresh - 1
        if len(fresh):
            parent[fresh[0]] = path[shared - 1] if shared else -1
        size += len(fresh)
        previous, path = row, np.concatenate([path[:shared], fresh])
        walked[index] = path
    end[path] = size
    return Trie(tokens[:size], depth[:size], parent[:size], end[:size], tuple(walked))


def common_prefix(left: Ints, right: Ints) -> int:
    """How many leading tokens two rows share."""
    length = min(len(left), len(right))
    differs = np.flatnonzero(left[:length] != right[:length])
    return int(differs[0]) if len(differs) else length


def cut_rows(rows: Sequence[Ints], budget: int) -> list[list[int]]:
    """Share rows out into parts whose tries have at most ``budget`` nodes each, rows with common beginnings together.

    A row longer than the budget is a part of its own. Empty rows belong to no part.

    Raises:
        ValueError: a budget below 1.
    """
    if budget < 1:
        raise ValueError(f"the token budget must be at least 1, got {budget}")
    order = sorted((index for index in range(len(rows)) if len(rows[index])), key=lambda index: rows[index].tolist())
    parts: list[list[int]] = []
    size, previous = budget, np.empty(0, dtype=np.int64)
    for index in order:
        row = rows[index]
        fresh = len(row) - common_prefix(previous, row)
        if not parts or size + fresh > budget:
            parts.append([])
            size, fresh = 0, len(row)
        parts[-1].append(index)
        size, previous = size + fresh, row
    return parts


@dataclass(frozen=True)
class Block:
    """Nodes ``start:stop`` as queries; their keys are ``path`` (the ancestors of ``start``) and the nodes themselves.

    Depth-first order makes this complete: an ancestor of any node of the range that lies before the range is an
    ancestor of its first node too.
    """

    start: int
    stop: int
    path: Ints

    @property
    def keys(self) -> Ints:
        """All key nodes, shape (len(path) + stop - start,)."""
        return np.concatenate([self.path, np.arange(self.start, self.stop)])


def cut_blocks(trie: Trie, overhead: int = BLOCK_OVERHEAD) -> tuple[Block, ...]:
    """Cut the layout where a branch begins, so that all attention blocks together compute the fewest cells.

    Shortest path over the branch beginnings; a block of n nodes below d ancestors costs n * (d + n) + overhead.
    """
    starts = np.flatnonzero(np.diff(trie.depth, prepend=-2) != 1)
    bounds = np.append(starts, len(trie))
    depths = trie.depth[starts]
    best = np.zeros(len(bounds), dtype=np.int64)
    came = np.zeros(len(bounds), dtype=np.int64)
    for stop in range(1, len(bounds)):
        lengths = bounds[stop] - starts[:stop]
        costs = best[:stop] + lengths * (depths[:stop] + lengths) + overhead
        came[stop] = int(np.argmin(costs))
        best[stop] = costs[came[stop]]
    cuts = [len(starts)]
    while cuts[-1]:
        cuts.append(int(came[cuts[-1]]))
    ordered = cuts[::-1]
    return tuple(
        Block(int(bounds[first]), int(bounds[last]), trie.path(int(bounds[first])))
        for first, last in itertools.pairwise(ordered)
    )
