"""A right notice for every reading, without a model: hand-written sentences, chosen by a hash of the reading.

The sentences stand in ``fallback.tsv``, each with the readings it is written for; those for a reading are never fewer
than three. All of them keep the default rubric for every reading of -60..60 (``tests/serve/test_fallback.py``).
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from string import Formatter
from typing import Literal, get_args

from data.reading import Reading

SOURCE = Path(__file__).with_name("fallback.tsv")
LOWEST, HIGHEST = -60, 60
"""Degrees that readings may have, yesterday and today."""

Change = Literal["rise", "fall", "same"]
CHANGES: tuple[Change, ...] = get_args(Change)
_FIELDS = {"n", "today", "yesterday"}


@dataclass(frozen=True)
class Form:
    """A sentence and the readings it is written for; bounds in whole degrees, both included."""

    change: Change
    today: tuple[int, int]
    size: tuple[int, int]
    text: str
    line: int

    def fits(self, reading: Reading) -> bool:
        """Whether the sentence is written for this reading."""
        return (
            self.change == _change(reading)
            and self.today[0] <= reading.today <= self.today[1]
            and self.size[0] <= abs(reading.delta) <= self.size[1]
        )

    def notice(self, reading: Reading) -> str:
        """The sentence with the figures of a reading."""
        return self.text.format(
            n=abs(reading.delta), today=degrees(reading.today), yesterday=degrees(reading.yesterday)
        )


def fallback_notice(reading: Reading) -> str:
    """The notice of a reading: always the same one.

    Raises:
        ValueError: a temperature lies outside -60..60.
    """
    if not all(LOWEST <= degree <= HIGHEST for degree in (reading.yesterday, reading.today)):
        raise ValueError(f"{reading} lies outside {LOWEST}..{HIGHEST} degrees, for which there are sentences")
    fitting = forms_for(reading)
    number = int.from_bytes(sha256(f"notice:{reading.yesterday}:{reading.today}".encode()).digest()[:8])
    return fitting[number % len(fitting)].notice(reading)


def forms_for(reading: Reading) -> list[Form]:
    """All sentences that are written for a reading, in file order."""
    return [form for form in _forms() if form.fits(reading)]


def degrees(degree: int) -> str:
    """A temperature in words: ``5도``, ``영하 5도``."""
    return f"영하 {-degree}도" if degree < 0 else f"{degree}도"


def read_forms(path: Path) -> tuple[Form, ...]:
    """All sentences of a file.

    Raises:
        ValueError: a line is not of the form that the head of ``fallback.tsv`` describes; names file and line.
    """
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return tuple(_parse(line, number, path) for number, line in lines if line and not line.startswith("#"))


@cache
def _forms() -> tuple[Form, ...]:
    return read_forms(SOURCE)


def _parse(line: str, number: int, path: Path) -> Form:
    try:
        change, today, size, text = line.split("\t")
        if change not in CHANGES:
            raise ValueError(f"{change!r} is none of {', '.join(CHANGES)}")
        unknown = {name for _, name, _, _ in Formatter().parse(text) if name is not None} - _FIELDS
        if unknown:
            raise ValueError(f"unknown field {', '.join(sorted(unknown))}; there are {', '.join(sorted(_FIELDS))}")
        return Form(change, _bounds(today), _bounds(size), text, number)
    except ValueError as error:
        raise ValueError(f"{path}:{number}: expected change, today, size and sentence by tabs: {error}") from error


def _bounds(text: str) -> tuple[int, int]:
    low, high = (int(part) for part in text.split(".."))
    if low > high:
        raise ValueError(f"{text}: the lower bound comes first")
    return low, high


def _change(reading: Reading) -> Change:
    return "same" if reading.delta == 0 else "rise" if reading.delta > 0 else "fall"
