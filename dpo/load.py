"""Pairs from a file: a user's own, or what ``launch/synthesize.py`` wrote; every row is judged before it is used."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from data.prompts import parse_user_text
from data.reading import Reading
from data.splits import is_heldout
from dpo.faults import FAULTS
from dpo.pairs import Pair, violation
from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.verdict import RULES

_BREAKS = {fault.name: fault.breaks for fault in FAULTS}
SHOWN = 20
"""Invalid rows that an error lists; the rest is counted."""


def load_pairs(path: Path, rubric: Rubric = DEFAULT_RUBRIC) -> list[Pair]:
    """Read a pair file and hold every row to the contract.

    The chosen notice passes every rule. The rejected one of a known fault fails exactly what that fault declares; of
    any other source it fails the named rule at least. No reading is a test cell, and no pair stands twice.

    Raises:
        OSError: the file cannot be read.
        ValueError: a row breaks the contract or cannot be read; lists file, line and cause.
    """
    pairs: list[tuple[int, Pair]] = []
    problems: list[tuple[int, str]] = []
    seen: dict[tuple[Reading, str, str], int] = {}
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            pair = _pair(json.loads(line))
        except (ValueError, RecursionError) as error:
            problems.append((number, str(error)))
            continue
        first = seen.setdefault((pair.reading, pair.chosen, pair.rejected), number)
        if first != number:
            problems.append((number, f"the same pair stands on line {first}"))
        else:
            pairs.append((number, pair))
    chosen = judge_batch([(p.chosen, p.reading.yesterday, p.reading.today) for _, p in pairs], rubric)
    for (number, pair), verdict in zip(pairs, chosen, strict=True):
        problem = _problem(pair, verdict.failed, rubric)
        if problem:
            problems.append((number, problem))
    if problems:
        problems.sort()
        listing = "\n".join(f"  {path}:{number}: {problem}" for number, problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ValueError(f"{path}: {len(problems)} row(s) are no pairs to learn from:\n{listing}{more}")
    if not pairs:
        raise ValueError(f"{path}: holds no pair")
    return [pair for _, pair in pairs]


def fault_counts(pairs: list[Pair]) -> dict[str, int]:
    """Pairs of each fault, the commonest first."""
    return dict(Counter(pair.fault for pair in pairs).most_common())


def _problem(pair: Pair, chosen_fails: frozenset[Any], rubric: Rubric) -> str | None:
    if is_heldout(pair.reading):
        return f"{pair.reading.yesterday} -> {pair.reading.today} is kept for the test split"
    if chosen_fails:
        return f"the chosen notice fails {', '.join(rule for rule in RULES if rule in chosen_fails)}"
    if pair.fault in _BREAKS:
        problem = violation(pair.chosen, pair.rejected, pair.reading, _BREAKS[pair.fault], rubric)
        return None if problem is None else f"fault {pair.fault}: the rejected notice: {problem}"
    (verdict,) = judge_batch([(pair.rejected, pair.reading.yesterday, pair.reading.today)], rubric)
    if pair.rule not in verdict.failed:
        return f"fault {pair.fault}: the rejected notice does not fail {pair.rule}"
    return None


def _pair(row: Any) -> Pair:
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    for key in ("prompt", "chosen", "rejected", "fault", "rule"):
        if key not in row:
            raise ValueError(f"{key!r} is missing")
    if row["rule"] not in RULES:
        raise ValueError(f"rule {row['rule']!r} is none of {', '.join(RULES)}")
    reading = parse_user_text(_content(row, "prompt", "user"))
    for key, value in (("yesterday", reading.yesterday), ("today", reading.today)):
        if row.get(key, value) != value:
            raise ValueError(f"{key} is {row[key]}, the prompt says {value}")
    return Pair(
        reading,
        chosen=_content(row, "chosen", "assistant"),
        rejected=_content(row, "rejected", "assistant"),
        fault=str(row["fault"]),
        rule=row["rule"],
        source=str(row.get("source", "file")),
    )


def _content(row: dict[str, Any], key: str, role: str) -> str:
    messages = row[key]
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != role or not isinstance(last.get("content"), str):
        raise ValueError(f"{key!r} must be a list of messages that ends in one of the {role}")
    return str(last["content"])
