from collections import Counter
from hashlib import sha256
from itertools import combinations

import pytest

from data.grid import GUIDE, GUIDE_TRAINING, SPLITS, Split, grid
from data.reading import BUCKETS, Reading, bucket
from data.splits import cells, is_heldout


def test_the_grid_has_2716_cells() -> None:
    """66 by 66 degrees less the two triangles of 40 * 41 / 2 cells that are more than 25 apart."""
    assert len(grid()) == len(set(grid())) == 66 * 66 - 40 * 41 == 2716


def test_the_five_splits_are_disjoint_and_cover_the_grid() -> None:
    five = {name: set(cells(name)) for name in ("train", "validation", "selection", "test", "pool")}
    for first, second in combinations(five.values(), 2):
        assert not first & second
    assert set().union(*five.values()) == set(grid())
    assert {name: len(members) for name, members in five.items()} == {
        "train": 302,
        "validation": 15,
        "test": 500,
        "selection": 200,
        "pool": 2716 - 302 - 15 - 500 - 200,
    }


def test_no_split_repeats_a_cell() -> None:
    for name in SPLITS:
        assert len(cells(name)) == len(set(cells(name)))


@pytest.mark.parametrize(
    ("split", "digest"),
    [("test", "6a1fe203094cf644"), ("test-mini", "a653f23a2d20cecc"), ("selection", "aec2192cacbd223f")],
)
def test_the_held_out_cells_never_move(split: Split, digest: str) -> None:
    """Published results refer to these cells: a change here makes every earlier run incomparable."""
    text = " ".join(f"{c.yesterday}:{c.today}" for c in cells(split))
    assert sha256(text.encode()).hexdigest()[:16] == digest


def test_test_mini_is_200_cells_of_test_with_each_buckets_share() -> None:
    mini = cells("test-mini")
    assert len(mini) == 200
    assert set(mini) < set(cells("test"))
    whole = Counter(bucket(cell) for cell in cells("test"))
    part = Counter(bucket(cell) for cell in mini)
    for name in BUCKETS:
        assert abs(part[name] - whole[name] * 0.4) < 1


def test_the_guides_cases_are_held_out_but_for_the_one_it_trains_on() -> None:
    assert len(cells("guide")) == 6
    assert [cell for cell in GUIDE if not is_heldout(cell)] == [Reading(25, 25)]
    assert Reading(25, 25) in cells("train")


def test_the_guides_listed_readings_are_trained_on() -> None:
    assert len(GUIDE_TRAINING) == 21
    assert set(GUIDE_TRAINING) <= set(cells("train"))
