"""Runs for comparisons, made by hand."""

from collections.abc import Sequence
from typing import Any

from data.reading import Reading
from eval.gather import Gathered
from eval.record import Evaluation
from tests.eval.made import answer, evaluation, record

CELLS = [Reading(0, today) for today in range(-10, 11)]
"""Readings to write for, in an order."""


def outcomes(run: str, passes: Sequence[bool], **changes: Any) -> Evaluation:
    """An evaluation whose notices pass, or fail delta; the text says which run and reading it is."""
    records = [
        record(cell.yesterday, cell.today, answer(*(() if right else ("delta",)), text=f"{run} {cell.today}"))
        for cell, right in zip(CELLS, passes, strict=False)
    ]
    return evaluation(records, run=run, stage=run.split("-")[0], **changes)


def gathered(
    run: str,
    passes: Sequence[bool],
    *,
    changes: dict[str, Any] | None = None,
    manifest: dict[str, Any] | None = None,
    log: Sequence[dict[str, Any]] = (),
    **recipe: Any,
) -> Gathered:
    """A run with one evaluation; further arguments are its recipe."""
    told = outcomes(run, passes, **(changes or {}))
    entries = {
        "stage": run.split("-")[0],
        "recipe": recipe,
        "base_model": "tiny-random",
        "weights_hash": "0" * 64,
        "git": {"commit": "c" * 40, "dirty": False},
        "training": {"seconds": 60.0, "cpu_seconds": 120.0, "metrics": {"train_samples_per_second": 2.0}},
    }
    return Gathered(run, entries | (manifest or {}), {told.split: told}, log)
