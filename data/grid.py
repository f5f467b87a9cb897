"""The grid of cells and its five disjoint splits, fixed by cell and by a stable hash.

``test`` is chosen first, from the grid alone, so that no later edit of the written examples can move a test cell.
``train`` and ``validation`` are the cells of the written examples. Of what is left, the last cells in hash order are
``selection``, for choosing between trained models, and the others ``pool``, for pairs. ``test-mini`` is a fixed part of
``test``, stratified by bucket; ``guide`` holds the six cases of the guide, five of them in ``test``.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Literal, get_args

from data.reading import BUCKETS, Bucket, Reading, bucket

Split = Literal["train", "validation", "selection", "test", "test-mini", "pool", "guide"]
SPLITS: tuple[Split, ...] = get_args(Split)

LOWEST, HIGHEST, LARGEST_DELTA = -20, 45, 25
TEST_SIZE, TEST_MINI_SIZE, SELECTION_SIZE = 500, 200, 200

GUIDE: tuple[Reading, ...] = tuple(
    Reading(y, t) for y, t in [(-10, 10), (38, 25), (20, 22), (25, 25), (-20, -10), (35, 42)]
)
GUIDE_TRAINING: tuple[Reading, ...] = tuple(
    Reading(y, t)
    for y, t in [
        *[(-5, 8), (0, 12), (10, 23), (3, 10), (10, 17), (20, 27), (10, 12), (15, 18), (20, 23)],
        *[(35, 22), (30, 18), (25, 10), (30, 24), (25, 18), (20, 14), (25, 22), (20, 17), (15, 12)],
        *[(20, 20), (15, 15), (25, 25)],
    ]
)
"""The readings that the guide lists as examples of its training data."""


def _rank(reading: Reading) -> str:
    return sha256(f"ondo:{reading.yesterday}:{reading.today}".encode()).hexdigest()


def stable_order(readings: Iterable[Reading]) -> list[Reading]:
    """Readings in the order of their hashes: the same for ever, and without a pattern."""
    return sorted(readings, key=_rank)


@cache
def grid() -> tuple[Reading, ...]:
    """All 2,716 cells: whole degrees in -20..45 on both sides, at most 25 apart, in ascending order."""
    degrees = range(LOWEST, HIGHEST + 1)
    return tuple(Reading(y, t) for y in degrees for t in degrees if abs(t - y) <= LARGEST_DELTA)


@cache
def heldout_cells() -> tuple[Reading, ...]:
    """The 500 cells that no training, mining or selection may read, in hash order."""
    guide_test = [cell for cell in GUIDE if cell not in GUIDE_TRAINING]
    free = [cell for cell in grid() if cell not in GUIDE_TRAINING and cell not in guide_test]
    return (*guide_test, *sorted(free, key=_rank)[: TEST_SIZE - len(guide_test)])


@cache
def heldout_mini_cells() -> tuple[Reading, ...]:
    """200 of the test cells, each bucket with its share of the 500 (largest remainders), in hash order."""
    members: dict[Bucket, list[Reading]] = defaultdict(list)
    for cell in sorted(heldout_cells(), key=_rank):
        members[bucket(cell)].append(cell)
    exact = {name: len(members[name]) * TEST_MINI_SIZE / TEST_SIZE for name in BUCKETS}
    share = {name: int(exact[name]) for name in BUCKETS}
    by_remainder = sorted(BUCKETS, key=lambda name: share[name] - exact[name])
    for name in by_remainder[: TEST_MINI_SIZE - sum(share.values())]:
        share[name] += 1
    chosen = [cell for name in BUCKETS for cell in members[name][: share[name]]]
    return tuple(sorted(chosen, key=_rank))
