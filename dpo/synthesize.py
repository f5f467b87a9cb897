"""Verified pairs from written examples: every fault is tried, and only what keeps the contract is kept.

Each (example, fault) has a generator of its own, seeded by a hash, so a pair does not depend on which other faults or
examples are asked for. A fault's candidates are tried in turn; when a corruption would make the notice too long or too
short, it is applied to a version of the notice with some small words fewer or more. The same means put about half of
the corruptions that lengthen a notice on the shorter side of the chosen one, and the reverse, so that length does not
tell which side is rejected.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from random import Random
from typing import Any

from data.reading import Reading
from data.splits import is_heldout
from dpo.faults import FAULTS, Fault
from dpo.faults.wording import longer, shorter
from dpo.pairs import Encode, Pair, violation
from rewards.judge import judge
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.verdict import RULES, RuleName

REQUIRED: tuple[RuleName, ...] = ("label", "delta", "one_sentence")
"""Every example gives at least one pair for each of these rules."""

ROUND: tuple[RuleName, ...] = ("direction", "delta", "delta", "length", "park", "safety", "script", *REQUIRED)
"""Shares of the rules among further pairs of an example; delta counts most, for it is what models get wrong."""

MAX_CANDIDATES = 24
MAX_VERSIONS = 16
NOTICEABLE = 1
"""Differences in length of up to this many code points (a digit more or less) are left as they are."""


@dataclass
class FaultReport:
    """What came of one fault: pairs made, examples given up and candidates thrown away, both by reason."""

    made: int = 0
    given_up: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def take_back(self, reason: str) -> None:
        """Count the pair made last as given up."""
        self.made -= 1
        self.given_up[reason] += 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON; reasons in falling order."""
        return {
            "made": self.made,
            "given_up": dict(self.given_up.most_common()),
            "broken_candidates": dict(self.broken.most_common()),
        }


@dataclass
class Report:
    """What :func:`synthesize` did.

    Attributes:
        examples: examples that were used.
        faults: by fault name.
        unusable: examples left out because their own notice fails, with the rules.
        missing: by required rule, the readings without a pair for it.
    """

    examples: int = 0
    faults: dict[str, FaultReport] = field(default_factory=dict)
    unusable: list[tuple[Reading, str]] = field(default_factory=list)
    missing: dict[RuleName, list[Reading]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "examples": self.examples,
            "pairs": sum(report.made for report in self.faults.values()),
            "faults": {name: report.to_dict() for name, report in self.faults.items()},
            "unusable": [{"yesterday": r.yesterday, "today": r.today, "fails": why} for r, why in self.unusable],
            "missing": {rule: [[r.yesterday, r.today] for r in readings] for rule, readings in self.missing.items()},
        }


def generator(seed: int, reading: Reading, notice: str, purpose: str) -> Random:
    """A generator of its own for one example and one purpose (a fault's name, say), from a hash of them all."""
    key = f"{seed}\x1f{reading.yesterday}\x1f{reading.today}\x1f{notice}\x1f{purpose}"
    return Random(int.from_bytes(sha256(key.encode()).digest()[:8]))


def corrupt(
    fault: Fault,
    reading: Reading,
    notice: str,
    seed: int = 0,
    rubric: Rubric = DEFAULT_RUBRIC,
    encode: Encode | None = None,
    report: FaultReport | None = None,
) -> Pair | None:
    """The first candidate of a fault that keeps the contract, or None; ``report`` is told either way.

    ``notice`` must pass every rule.
    """
    report = report if report is not None else FaultReport()
    reasons: Counter[str] = Counter()
    tried = set()
    for candidate in islice(_candidates(fault, reading, notice, seed), MAX_CANDIDATES * MAX_VERSIONS):
        if candidate in tried:
            continue
        tried.add(candidate)
        reason = violation(notice, candidate, reading, fault.breaks, rubric, encode)
        if reason is None:
            report.made += 1
            report.broken += reasons
            return Pair(reading, notice, candidate, fault.name, fault.rule)
        reasons[reason] += 1
    report.given_up[reasons.most_common(1)[0][0] if reasons else "does not apply"] += 1
    report.broken += reasons
    return None


def _candidates(fault: Fault, reading: Reading, notice: str, seed: int) -> Iterator[str]:
    """Corruptions of the notice and of its shorter and longer versions, the drawn side of the length first."""

    def of(text: str) -> list[str]:
        rng = generator(seed, reading, notice, fault.name)
        return list(islice(fault.corrupt(text, reading, rng), MAX_CANDIDATES))

    direct = of(notice)
    if "length" in fault.breaks or not direct:
        yield from direct
        return
    rng = generator(seed, reading, notice, f"{fault.name} length")
    side = rng.choice((-1, 1))
    difference = len(direct[0]) - len(notice)
    versions = list(islice(shorter(notice, rng), MAX_VERSIONS)) + list(islice(longer(notice, rng), MAX_VERSIONS))
    if difference * side < 0 and abs(difference) > NOTICEABLE:
        for version in versions:
            if (len(version) - len(notice)) * side > 0:
                yield from (text for text in of(version) if (len(text) - len(notice)) * side > 0)
    yield from direct
    for version in versions:
        yield from of(version)


def synthesize(
    examples: Sequence[tuple[Reading, str]],
    per_example: int | None = 6,
    faults: Sequence[Fault] = FAULTS,
    seed: int = 0,
    rubric: Rubric = DEFAULT_RUBRIC,
    encode: Encode | None = None,
) -> tuple[list[Pair], Report]:
    """Pairs for each example, in the order of the examples, and the report.

    Args:
        examples: readings with a notice written for them.
        per_example: at most this many pairs an example, the required rules first; None makes one for every fault.
        faults: the faults to draw from.
        seed: another seed gives other faults and other candidates.
        rubric: the limits.
        encode: a tokenizer; when given, the token ids of chosen and rejected must differ.

    Raises:
        ValueError: an example is a test cell, or ``per_example`` is below 1.
    """
    if per_example is not None and per_example < 1:
        raise ValueError(f"pairs per example must be at least 1, got {per_example}")
    heldout = [reading for reading, _ in examples if is_heldout(reading)]
    if heldout:
        raise ValueError(f"{heldout[0].yesterday} -> {heldout[0].today} is kept for the test split; no pair may use it")
    report = Report(faults={fault.name: FaultReport() for fault in faults})
    required = [rule for rule in REQUIRED if any(fault.rule == rule for fault in faults)]
    pairs: list[Pair] = []
    for reading, notice in examples:
        failed = judge(notice, reading.yesterday, reading.today, rubric).failed
        if failed:
            report.unusable.append((reading, ", ".join(rule for rule in RULES if rule in failed)))
            continue
        report.examples += 1
        made: list[Pair] = []
        for attempt in _attempts(faults, generator(seed, reading, notice, "order"), per_example):
            for fault in attempt:
                pair = corrupt(fault, reading, notice, seed, rubric, encode, report.faults[fault.name])
                if pair is None:
                    continue
                if any(pair.rejected == other.rejected for other in made):
                    report.faults[fault.name].take_back("same text as another fault's")
                    continue
                made.append(pair)
                break
            if len(made) == per_example:
                break
        for rule in required[:per_example]:
            if not any(pair.rule == rule for pair in made):
                report.missing.setdefault(rule, []).append(reading)
        pairs += made
    return pairs, report


def _attempts(faults: Sequence[Fault], rng: Random, per_example: int | None) -> Iterator[Iterator[Fault]]:
    """Groups of faults of which the first that works gives a pair; each fault is handed out once."""
    if per_example is None:
        yield from (iter([fault]) for fault in faults)
        return
    queues: dict[RuleName, list[Fault]] = {rule: [] for rule in RULES}
    for fault in rng.sample(faults, len(faults)):
        queues[fault.rule].append(fault)

    def pop(rule: RuleName) -> Iterator[Fault]:
        while queues[rule]:
            yield queues[rule].pop()

    yield from (pop(rule) for rule in REQUIRED)
    while any(queues.values()):
        yield from (pop(rule) for rule in rng.sample(ROUND, len(ROUND)))
