"""Pairs in one call: from written examples and, when asked, pool cells, with one description of what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.reading import Reading
from dpo.cues import cue_report, cues_by_fault
from dpo.faults import FAULTS, Fault
from dpo.moved import pool_pairs
from dpo.pairs import Pair
from dpo.synthesize import Report, synthesize


@dataclass(frozen=True)
class Made:
    """Pairs, the report of those from written examples, and the whole as JSON with the accuracy of trivial cues."""

    pairs: tuple[Pair, ...]
    report: Report
    description: dict[str, Any]


def make_pairs(
    examples: Sequence[tuple[Reading, str]],
    *,
    per_example: int = 6,
    pool: int = 0,
    per_pool_cell: int = 3,
    faults: Sequence[Fault] = FAULTS,
    seed: int = 0,
) -> Made:
    """Make and verify pairs.

    Args:
        examples: readings with the notices written for them.
        per_example: pairs an example; 0 makes one for every fault.
        pool: cells of the pool to add, see :mod:`dpo.moved`.
        per_pool_cell: pairs a pool cell.
        faults: the faults to draw from for the written examples.
        seed: another seed gives other pairs.

    Raises:
        ValueError: a number is out of range, an example is a test cell, or nothing could be made.
    """
    if min(per_example, pool) < 0 or per_pool_cell < 1:
        raise ValueError("per_example and pool must be at least 0, per_pool_cell at least 1")
    written, report = synthesize(examples, per_example=per_example or None, faults=faults, seed=seed)
    moved, pool_report = pool_pairs(examples, pool, per_pool_cell, seed) if pool else ([], None)
    pairs = (*written, *moved)
    if not pairs:
        raise ValueError("no pair could be made: every example fails a rule itself, or no fault applies")
    cues = {"all": cue_report(pairs), **cues_by_fault(pairs)}
    description = {
        "seed": seed,
        "per_example": per_example,
        **report.to_dict(),
        "cues": {name: cue.to_dict() for name, cue in cues.items()},
    }
    if pool_report is not None:
        description["pool"] = {"cells": pool, "per_cell": per_pool_cell, **pool_report.to_dict()}
    return Made(pairs, report, description)
