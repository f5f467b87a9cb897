"""A pair file and, beside it, the report of its making: what each fault gave and gave up, and what trivial cues see."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.files import write_atomic
from dpo.cues import cue_report, cues_by_fault
from dpo.pairs import Pair, write_pairs
from dpo.synthesize import Report


def report_path(path: Path) -> Path:
    """Where the report of a pair file lies."""
    return path.with_name(path.name + ".report.json")


def describe(pairs: Sequence[Pair], report: Report) -> dict[str, Any]:
    """The report as JSON, with the accuracy of trivial cues, overall (``all``) and by fault."""
    cues = {"all": cue_report(pairs), **cues_by_fault(pairs)} if pairs else {}
    return {**report.to_dict(), "cues": {name: cue.to_dict() for name, cue in cues.items()}}


def write_pair_files(path: Path, pairs: Sequence[Pair], description: dict[str, Any] | None) -> None:
    """Write the pairs and, when they were made here, their report; each whole or not at all.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    write_pairs(path, pairs)
    if description is not None:
        write_atomic(report_path(path), json.dumps(description, ensure_ascii=False, indent=2) + "\n")
