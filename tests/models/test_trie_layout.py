"""The trie's layout: a small one worked out by hand, and its properties on random rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.trie.layout import build_trie, common_prefix, cut_blocks

ROWS = [[7, 8, 9], [7, 8], [7, 5, 5, 6], [7, 8, 9], [4]]

rows_of_tokens = st.lists(st.lists(st.integers(0, 3), max_size=8), min_size=1, max_size=8).filter(any)


def test_layout_by_hand():
    """In sorted order: 4 | 7 5 5 6 | 8 9 below the same 7."""
    trie = build_trie(ROWS)
    assert trie.tokens.tolist() == [4, 7, 5, 5, 6, 8, 9]
    assert trie.depth.tolist() == [0, 0, 1, 2, 3, 1, 2]
    assert trie.parent.tolist() == [-1, -1, 1, 2, 3, 1, 5]
    assert trie.end.tolist() == [1, 7, 5, 5, 5, 7, 7]
    assert [row.tolist() for row in trie.rows] == [[1, 5, 6], [1, 5], [1, 2, 3, 4], [1, 5, 6], [0]]
    assert trie.path(4).tolist() == [1, 2, 3]


def test_window_counts_the_node_itself():
    trie = build_trie([[1, 2, 3, 4]])
    nodes = np.arange(4)
    assert trie.visible(nodes, nodes, window=2).sum(1).tolist() == [1, 2, 2, 2]


def test_no_token_is_an_error():
    with pytest.raises(ValueError, match="every row is empty"):
        build_trie([[], []])


@pytest.mark.parametrize(("left", "right", "length"), [([], [1], 0), ([1, 2], [1, 3], 1), ([1, 2], [1, 2, 3], 2)])
def test_common_prefix(left, right, length):
    assert common_prefix(np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)) == length


@given(rows_of_tokens)
def test_rows_walk_their_own_tokens_and_prefixes_are_shared(rows):
    trie = build_trie(rows)
    for row, nodes in zip(rows, trie.rows, strict=True):
        assert trie.tokens[nodes].tolist() == row
        assert trie.depth[nodes].tolist() == list(range(len(row)))
    prefixes = {tuple(row[:length]) for row in rows for length in range(1, len(row) + 1)}
    assert len(trie) == len(prefixes)


@given(rows_of_tokens, st.one_of(st.none(), st.integers(1, 4)))
def test_visible_nodes_are_the_ancestors_within_the_window(rows, window):
    trie = build_trie(rows)
    nodes = np.arange(len(trie))
    seen = trie.visible(nodes, nodes, window)
    for node in nodes:
        ancestors = [*trie.path(node).tolist(), int(node)]
        assert np.flatnonzero(seen[node]).tolist() == sorted(ancestors[-(window or len(trie)) :])


@given(rows_of_tokens, st.sampled_from([0, 5, 10_000]))
def test_blocks_cover_every_node_once_and_hold_all_it_sees(rows, overhead):
    trie = build_trie(rows)
    blocks = cut_blocks(trie, overhead)
    assert [node for block in blocks for node in range(block.start, block.stop)] == list(range(len(trie)))
    for block in blocks:
        keys = set(block.keys.tolist())
        for node in range(block.start, block.stop):
            assert {*trie.path(node).tolist(), node} <= keys


def test_unrelated_branches_are_cut_apart_when_calls_are_free():
    trie = build_trie([[1, *[2] * 10], [1, *[3] * 10], [5] * 10])
    cells = sum((block.stop - block.start) * len(block.keys) for block in cut_blocks(trie, 0))
    # A cut falls where a branch begins: the shared node and its first branch are one run of 11 nodes.
    assert cells == 11 * 11 + 10 * 11 + 10 * 10
    assert len(cut_blocks(trie, 10_000)) == 1
