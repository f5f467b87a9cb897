"""Which cells each split holds, and which split a reading belongs to."""

from functools import cache

from data.grid import GUIDE, SELECTION_SIZE, Split, grid, heldout_cells, heldout_mini_cells, stable_order
from data.reading import Reading
from data.source import source_notices


@cache
def cells(split: Split) -> tuple[Reading, ...]:
    """The readings of one split, in a fixed order."""
    match split:
        case "train" | "validation":
            return tuple(notice.reading for notice in source_notices(split))
        case "test":
            return heldout_cells()
        case "test-mini":
            return heldout_mini_cells()
        case "guide":
            return GUIDE
        case "pool":
            return tuple(cell for cell in _unwritten() if cell not in cells("selection"))
        case "selection":
            return tuple(stable_order(_unwritten())[-SELECTION_SIZE:])


@cache
def _unwritten() -> tuple[Reading, ...]:
    """The cells without a written notice that are no ``test`` cells, in the grid's order."""
    taken = {*cells("train"), *cells("validation"), *cells("test")}
    return tuple(cell for cell in grid() if cell not in taken)


def is_heldout(reading: Reading) -> bool:
    """Whether a reading is a ``test`` cell, which no training, mining or selection may read."""
    return reading in _heldout_set()


@cache
def _heldout_set() -> frozenset[Reading]:
    return frozenset(heldout_cells())
