"""A pair file and, beside it, its card and the description of its making (see :mod:`dpo.make`)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.files import write_atomic
from dpo.card import pair_card
from dpo.pairs import Pair, write_pairs


def report_path(path: Path) -> Path:
    """Where the report of a pair file lies."""
    return path.with_name(path.name + ".report.json")


def card_path(path: Path) -> Path:
    """Where the card of a pair file lies; on the hub it is the data set's ``README.md``."""
    return path.with_name(path.name + ".card.md")


def write_pair_files(path: Path, pairs: Sequence[Pair], description: dict[str, Any] | None) -> None:
    """Write the pairs, their card and, when they were made here, their report; each whole or not at all.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    write_pairs(path, pairs)
    write_atomic(card_path(path), str(pair_card(pairs, description)))
    if description is not None:
        write_atomic(report_path(path), json.dumps(description, ensure_ascii=False, indent=2) + "\n")
