"""Two evaluations of the same cells, cell by cell: the exact McNemar test, and the cells that changed.

Rates of two models on the same readings are not independent, so their intervals may overlap while the difference is
sure. The paired test looks at nothing but the cells where the two disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scipy.stats import binomtest

from data.reading import Reading
from eval.measure import MEASURES
from eval.record import Evaluation, Record


class NotComparableError(ValueError):
    """Two evaluations cannot be set against each other; the message says why and the way out."""


@dataclass(frozen=True)
class PairedTest:
    """One measure on the cells that both evaluations hold, first against second.

    Attributes:
        both: cells that pass in both.
        neither: cells that pass in neither.
        gained: cells that fail in the first and pass in the second.
        lost: cells that pass in the first and fail in the second.
        p_value: of the exact McNemar test, two-sided, not corrected for the number of measures.
    """

    both: int
    neither: int
    gained: tuple[Reading, ...]
    lost: tuple[Reading, ...]
    p_value: float


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of the exact McNemar test; 1 when nothing changed.

    Were gains and losses equally likely, the chance of a split at least as uneven (McNemar 1947, with the binomial
    distribution instead of chi-squared).
    """
    changed = gained + lost
    return float(binomtest(gained, changed, 0.5).pvalue) if changed else 1.0


def paired_tests(first: Evaluation, second: Evaluation, *, anyway: bool = False) -> dict[str, PairedTest]:
    """Every measure of :data:`eval.measure.MEASURES`, first against second.

    Args:
        first: what is compared against, e.g. the base model.
        second: what is compared.
        anyway: compare although rubric, prompt or decoding differ, on the cells that both hold.

    Raises:
        NotComparableError: they differ in what must be equal, or hold more than one notice a reading.
    """
    check_comparable(first, second, anyway=anyway)
    before, after = _by_reading(first), _by_reading(second)
    cells = [reading for reading in before if reading in after]
    if not cells:
        raise NotComparableError(f"{name(first)} and {name(second)} have no reading in common")
    return {key: _test(list(_outcomes(key, cells, before, after))) for key in MEASURES}


def check_comparable(first: Evaluation, second: Evaluation, *, anyway: bool = False) -> None:
    """Make sure that a paired test of two evaluations, answered or only planned, means something.

    Args:
        first: what is compared against.
        second: what is compared.
        anyway: let :func:`differences` pass.

    Raises:
        NotComparableError: they differ in what must be equal, or hold more than one notice a reading.
    """
    for evaluation in (first, second):
        if evaluation.generation.samples != 1:
            raise NotComparableError(
                f"{name(evaluation)} holds several notices a reading and a paired test needs one: "
                "evaluate without --samples"
            )
    reasons = differences(first, second)
    if reasons and not anyway:
        raise NotComparableError(f"{name(first)} and {name(second)} are not comparable: {'; '.join(reasons)}")


def differences(first: Evaluation, second: Evaluation) -> list[str]:
    """What keeps two evaluations from being compared, each with the way out; empty when nothing does.

    Base model, adapter and chat template may differ: they are what one compares.
    """
    found = []
    if first.split != second.split:
        found.append(f"split {first.split} against {second.split}: evaluate both on one split")
    elif {r.reading for r in first.records} != {r.reading for r in second.records}:
        found.append(
            f"{len(first.records)} readings of {first.split} against {len(second.records)}: "
            "evaluate both with the same --limit"
        )
    if first.rubric != second.rubric:
        found.append(f"rubric {first.rubric} against {second.rubric}: evaluate both with the same limits")
    if first.prompt_hash != second.prompt_hash:
        found.append("the prompts differ (data/prompts.py): evaluate both with the same version")
    if first.generation.temperature != second.generation.temperature:
        found.append(
            f"temperature {first.generation.temperature:g} against {second.generation.temperature:g}: "
            "evaluate both with the same"
        )
    return found


def name(evaluation: Evaluation) -> str:
    """What an evaluation is called in messages and tables: its run's id, or its base model's name."""
    return evaluation.run or evaluation.model


def _by_reading(evaluation: Evaluation) -> dict[Reading, Record]:
    return {record.reading: record for record in evaluation.records}


def _outcomes(
    key: str, cells: list[Reading], before: dict[Reading, Record], after: dict[Reading, Record]
) -> Iterator[tuple[Reading, bool, bool]]:
    passed = MEASURES[key].passed
    for cell in cells:
        yield cell, passed(before[cell].answers[0].verdict), passed(after[cell].answers[0].verdict)


def _test(outcomes: list[tuple[Reading, bool, bool]]) -> PairedTest:
    gained = tuple(cell for cell, first, second in outcomes if second and not first)
    lost = tuple(cell for cell, first, second in outcomes if first and not second)
    return PairedTest(
        both=sum(first and second for _, first, second in outcomes),
        neither=sum(not first and not second for _, first, second in outcomes),
        gained=gained,
        lost=lost,
        p_value=mcnemar(len(gained), len(lost)),
    )
