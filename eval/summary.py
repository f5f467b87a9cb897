"""The figures of one evaluation: rates with intervals, sliced; soft measures; consistency, variety, cost; failures.

Everything is derived from the records, nothing is stored. What each figure means stands in docs/evaluation.md.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TypeVar

import numpy as np
from rapidfuzz import fuzz

from data.reading import BUCKETS, Bucket, Reading, bucket
from data.splits import cells
from data.statistics import mask_figures
from eval.interval import Rate, rate
from eval.measure import MEASURES, OVERALL, Measure
from eval.record import Evaluation, JudgedNotice, Record

Rates = dict[str, Rate]
"""A rate for each measure of :data:`eval.measure.MEASURES`."""
SEEN = ("size_seen", "size_unseen", "delta_seen", "delta_unseen", "cell_near", "cell_far")
SIGNS = ("below", "across", "above")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Consistency:
    """How far several samples of one reading agree.

    Attributes:
        samples: notices a reading.
        all_pass: share of the readings whose samples all pass.
        same_verdict: share of the readings whose samples all fail the same rules, or none.
        similarity: of two samples of one reading, 0..100 (rapidfuzz ratio), mean over readings.
    """

    samples: int
    all_pass: Rate
    same_verdict: Rate
    similarity: float


@dataclass(frozen=True)
class Variety:
    """How many different notices stand among the passing ones once their figures are masked."""

    passing: int
    distinct: int

    @property
    def share(self) -> float | None:
        """Distinct by passing, in 0..1; None when nothing passes."""
        return self.distinct / self.passing if self.passing else None


@dataclass(frozen=True)
class Cost:
    """What a notice costs.

    Attributes:
        seconds_p50: median response time; a notice's share of the wall time, so a wait only at batch size 1.
        seconds_p95: 95th percentile of it.
        tokens: mean tokens of a notice, the stop token included.
        unfinished: notices cut off before a stop token came.
    """

    seconds_p50: float
    seconds_p95: float
    tokens: float
    unfinished: int


@dataclass(frozen=True)
class Failure:
    """One notice that fails, and for each failed rule the reason."""

    reading: Reading
    text: str
    reasons: dict[str, str]


@dataclass(frozen=True)
class Summary:
    """The figures of an evaluation. Slices without a reading are left out.

    Attributes:
        rates: over all readings.
        buckets: by :func:`data.reading.bucket`.
        sizes: by the size of the change in degrees.
        seen: by what the examples taught: ``size_seen`` and ``size_unseen`` by the size of the change,
            ``delta_seen`` and ``delta_unseen`` by size and sign, ``cell_near`` and ``cell_far`` by whether an example
            lies within one degree on both days.
        signs: ``below`` zero on both days, ``across`` it, ``above`` (or at) zero on both.
        soft: share of notices with a state of the day and with advice; no rule asks for either.
        consistency: None for one notice a reading.
        variety: among the passing notices.
        cost: response time and tokens.
        failures: every failing notice, in the order of the records.
    """

    rates: Rates
    buckets: dict[Bucket, Rates]
    sizes: dict[int, Rates]
    seen: dict[str, Rates]
    signs: dict[str, Rates]
    soft: dict[str, Rate]
    consistency: Consistency | None
    variety: Variety
    cost: Cost
    failures: tuple[Failure, ...]


def summarize(evaluation: Evaluation, taught: Collection[Reading] | None = None) -> Summary:
    """The figures of an evaluation.

    Args:
        evaluation: with at least one record.
        taught: readings of the examples the model was trained on; None takes the split ``train``.
    """
    records = evaluation.records
    known = cells("train") if taught is None else taught
    answers = [answer for record in records for answer in record.answers]
    by_bucket = _sliced(records, lambda record: bucket(record.reading))
    by_size = _sliced(records, lambda record: abs(record.reading.delta))
    by_seen = _seen(records, known)
    by_sign = _sliced(records, lambda record: _signs(record.reading))
    return Summary(
        rates=rates(records),
        buckets={name: by_bucket[name] for name in BUCKETS if name in by_bucket},
        sizes={size: by_size[size] for size in sorted(by_size)},
        seen={name: by_seen[name] for name in SEEN if name in by_seen},
        signs={name: by_sign[name] for name in SIGNS if name in by_sign},
        soft={name: _rate(records, _has(name)) for name in answers[0].verdict.soft},
        consistency=_consistency(records),
        variety=_variety(answers),
        cost=_cost(answers),
        failures=tuple(_failures(records)),
    )


def rates(records: Sequence[Record]) -> Rates:
    """Every measure over some records (at least one), with :func:`eval.interval.rate`'s intervals."""
    return {name: _rate(records, _passes(measure)) for name, measure in MEASURES.items()}


def flat_metrics(rates: Rates, split: str) -> dict[str, float]:
    """Pass rates under the keys that W&B shows, the same in every stage.

    ``eval/test/delta/pass_rate`` for a rule or a group, ``eval/test/overall`` for the whole rubric.
    """
    return {
        f"eval/{split}/{name}{'' if name == OVERALL else '/pass_rate'}": found.rate for name, found in rates.items()
    }


def _rate(records: Iterable[Record], passed: Callable[[JudgedNotice], bool]) -> Rate:
    return rate([fmean(map(passed, record.answers)) for record in records])


def _passes(measure: Measure) -> Callable[[JudgedNotice], bool]:
    return lambda answer: measure.passed(answer.verdict)


def _has(name: str) -> Callable[[JudgedNotice], bool]:
    return lambda answer: answer.verdict.soft[name]


def _sliced(records: Iterable[Record], key: Callable[[Record], Key]) -> dict[Key, Rates]:
    members: dict[Key, list[Record]] = defaultdict(list)
    for record in records:
        members[key(record)].append(record)
    return {name: rates(part) for name, part in members.items()}


def _seen(records: Sequence[Record], taught: Collection[Reading]) -> dict[str, Rates]:
    deltas = {reading.delta for reading in taught}
    sizes = {abs(delta) for delta in deltas}
    around = {
        Reading(reading.yesterday + before, reading.today + now)
        for reading in taught
        for before in (-1, 0, 1)
        for now in (-1, 0, 1)
    }
    return (
        _sliced(records, lambda record: "size_seen" if abs(record.reading.delta) in sizes else "size_unseen")
        | _sliced(records, lambda record: "delta_seen" if record.reading.delta in deltas else "delta_unseen")
        | _sliced(records, lambda record: "cell_near" if record.reading in around else "cell_far")
    )


def _signs(reading: Reading) -> str:
    low, high = sorted((reading.yesterday, reading.today))
    return "below" if high < 0 else "above" if low >= 0 else "across"


def _consistency(records: Sequence[Record]) -> Consistency | None:
    samples = min(len(record.answers) for record in records)
    if samples < 2:
        return None
    failed = [{answer.verdict.failed for answer in record.answers} for record in records]
    return Consistency(
        samples=samples,
        all_pass=rate([float(sets == {frozenset()}) for sets in failed]),
        same_verdict=rate([float(len(sets) == 1) for sets in failed]),
        similarity=fmean(
            fmean(fuzz.ratio(one.text, other.text) for one, other in combinations(record.answers, 2))
            for record in records
        ),
    )


def _variety(answers: Iterable[JudgedNotice]) -> Variety:
    passing = [mask_figures(answer.text) for answer in answers if answer.verdict.passed]
    return Variety(len(passing), len(set(passing)))


def _cost(answers: Sequence[JudgedNotice]) -> Cost:
    p50, p95 = np.percentile([answer.seconds for answer in answers], [50, 95])
    return Cost(
        seconds_p50=float(p50),
        seconds_p95=float(p95),
        tokens=fmean(answer.tokens for answer in answers),
        unfinished=sum(not answer.finished for answer in answers),
    )


def _failures(records: Iterable[Record]) -> Iterator[Failure]:
    for record in records:
        for answer in record.answers:
            reasons: dict[str, str] = {r.name: r.reason or "failed" for r in answer.verdict.rules if not r.passed}
            if reasons:
                yield Failure(record.reading, answer.text, reasons)
