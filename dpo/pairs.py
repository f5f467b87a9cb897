"""A pair and its contract: the chosen notice passes every rule, the rejected one fails exactly what it declares.

Both sides are judged, never trusted; the texts, and where a tokenizer is at hand their token ids, must differ. A row of
a pair file is TRL's conversational preference format (``prompt``, ``chosen``, ``rejected`` as lists of messages) with
columns that say what the pair is about.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from rapidfuzz.distance import Levenshtein

from data.files import write_atomic
from data.prompts import Message, prompt_messages
from data.reading import Reading
from rewards.judge import judge
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.verdict import RuleName

Encode = Callable[[str], Sequence[int]]
"""A tokenizer as the contract sees it: a notice in, token ids out."""


class PairRow(TypedDict):
    """One line of a pair file."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    fault: str
    rule: str
    source: str
    yesterday: int
    today: int
    edit_distance: int


@dataclass(frozen=True)
class Pair:
    """A chosen and a rejected notice for one reading.

    Attributes:
        fault: name of the fault that made the rejected notice.
        rule: the rule the pair teaches.
        source: where the rejected notice comes from, ``fault`` for a written corruption.
    """

    reading: Reading
    chosen: str
    rejected: str
    fault: str
    rule: RuleName
    source: str = "fault"

    @property
    def edit_distance(self) -> int:
        """Levenshtein distance of the two notices in code points."""
        return Levenshtein.distance(self.chosen, self.rejected)

    @property
    def row(self) -> PairRow:
        """The pair as a line of a pair file."""
        return {
            "prompt": prompt_messages(self.reading),
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
            "fault": self.fault,
            "rule": self.rule,
            "source": self.source,
            "yesterday": self.reading.yesterday,
            "today": self.reading.today,
            "edit_distance": self.edit_distance,
        }


def violation(
    chosen: str,
    rejected: str,
    reading: Reading,
    breaks: frozenset[RuleName],
    rubric: Rubric = DEFAULT_RUBRIC,
    encode: Encode | None = None,
) -> str | None:
    """Why a rejected notice does not stand beside a chosen one that passes, in a few words; None when it does.

    Args:
        chosen: a notice known to pass every rule.
        rejected: the corrupted notice.
        reading: what both are about.
        breaks: the rules the rejected notice must fail; it must pass all others.
        rubric: the limits.
        encode: when given, the token ids must differ too.
    """
    if chosen.strip() == rejected.strip():
        return "same text"
    if encode is not None and list(encode(chosen)) == list(encode(rejected)):
        return "same token ids"
    failed = judge(rejected, reading.yesterday, reading.today, rubric).failed
    if breaks - failed:
        return f"passes {', '.join(sorted(breaks - failed))}"
    if failed - breaks:
        return f"also fails {', '.join(sorted(failed - breaks))}"
    return None


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a pair file (JSONL, UTF-8), atomically; the same pairs give the same bytes.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    write_atomic(path, "".join(map(pair_line, pairs)))


def pair_line(pair: Pair) -> str:
    """The pair as a line of a pair file, with its line feed."""
    return json.dumps(pair.row, ensure_ascii=False) + "\n"
