"""The one readable source of the written examples: ``data/notices.tsv``.

A line is ``split<TAB>yesterday<TAB>today<TAB>notice``; empty lines and lines that begin with ``#`` are for the reader.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from data.reading import Reading

SOURCE = Path(__file__).with_name("notices.tsv")
WrittenSplit = Literal["train", "validation"]


@dataclass(frozen=True)
class Notice:
    """A hand-written notice for one reading, with the source line it stands on."""

    split: WrittenSplit
    reading: Reading
    text: str
    line: int


def read_source(path: Path) -> tuple[Notice, ...]:
    """All notices of a source file, in file order.

    Raises:
        ValueError: a line is not of the form above, or two lines share a reading; names file and line.
    """
    notices: list[Notice] = []
    first_line: dict[Reading, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        notice = _parse(line, number, path)
        if notice.reading in first_line:
            raise ValueError(
                f"{path}:{number}: reading {notice.reading.yesterday} -> {notice.reading.today} "
                f"stands already on line {first_line[notice.reading]}; keep one of the two"
            )
        first_line[notice.reading] = number
        notices.append(notice)
    return tuple(notices)


def _parse(line: str, number: int, path: Path) -> Notice:
    fields = line.split("\t")
    if len(fields) != 4 or fields[0] not in ("train", "validation"):
        raise ValueError(
            f"{path}:{number}: expected 'train' or 'validation', yesterday, today and the notice, "
            f"separated by tabs, got {line!r}"
        )
    try:
        reading = Reading(int(fields[1]), int(fields[2]))
    except ValueError as error:
        raise ValueError(f"{path}:{number}: temperatures must be whole degrees: {error}") from error
    split: WrittenSplit = "train" if fields[0] == "train" else "validation"
    return Notice(split, reading, fields[3], number)


@cache
def source_notices(split: WrittenSplit) -> tuple[Notice, ...]:
    """The notices of one split from the project's own source file."""
    return tuple(notice for notice in read_source(SOURCE) if notice.split == split)
