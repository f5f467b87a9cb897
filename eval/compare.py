"""Runs side by side on the same readings: rates, paired tests against the first, changed cells, curves, cost.

What the tests assume and why seeds are pooled as they are: docs/comparison.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from data.prompts import user_text
from data.reading import Reading, bucket
from eval.arms import Arm, setting_rows
from eval.gather import ORDER, Gathered
from eval.interval import Rate, rate
from eval.meaning import BUCKET_NAMES
from eval.measure import MEASURES, OVERALL
from eval.paired import NotComparableError, check_comparable, differences
from eval.permutation import difference_interval, holm, seeds_test, sign_flip_test
from eval.record import Evaluation, JudgedNotice


@dataclass(frozen=True)
class ArmTest:
    """One measure of an arm against the first.

    Attributes:
        gained: readings that more of the arm's runs pass, as a share, than of the first arm's.
        lost: readings that fewer of them pass.
        difference: of the pass rates, in -1..1.
        low: lower end of its 95 % interval over readings.
        high: upper end of it.
        p_value: exact, two-sided; McNemar's where both arms have one run.
    """

    gained: tuple[Reading, ...]
    lost: tuple[Reading, ...]
    difference: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Changed:
    """A reading whose notices pass every rule more often, or less often, than in the first arm.

    Attributes:
        answers: of the first arm and of the other, by name; of several runs one that shows the change.
        passed: of each arm the runs that pass.
    """

    reading: Reading
    prompt: str
    bucket: str
    gained: bool
    answers: dict[str, JudgedNotice]
    passed: dict[str, int]


@dataclass(frozen=True)
class ArmCost:
    """What an arm's runs took, each a mean over its runs; None where it is not recorded.

    Attributes:
        seconds: wall time of the training.
        cpu_seconds: processor time of the training, over all threads of the first process.
        tokens: tokens trained on.
        items_per_s: examples or pairs a second of training.
        notices_per_s: notices a second in the evaluation.
        notice_tokens: tokens of a notice.
    """

    seconds: float | None
    cpu_seconds: float | None
    tokens: float | None
    items_per_s: float | None
    notices_per_s: float | None
    notice_tokens: float | None


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison shows. Dictionaries go by the arms' names; ``tests`` has none for the first.

    Attributes:
        arms: what is compared, what is compared against first.
        split: whose readings.
        readings: that all of them hold, in the split's order.
        rates: for each measure and arm.
        by_seed: for each arm the overall rate of each of its runs.
        tests: for each measure and arm but the first.
        corrected: p of ``overall`` for each arm but the first, corrected for the number of arms.
        seeds_p: whether an arm's overall rate differs from the first's by more than their seeds do, see
            :func:`eval.permutation.seeds_test`.
        changed: for each arm but the first.
        settings: what the arms differ in, a value for each arm.
        costs: for each arm.
        remarks: what a reader must know.
    """

    arms: tuple[Arm, ...]
    split: str
    readings: tuple[Reading, ...]
    rates: dict[str, dict[str, Rate]]
    by_seed: dict[str, list[float]]
    tests: dict[str, dict[str, ArmTest]]
    corrected: dict[str, float]
    seeds_p: dict[str, float | None]
    changed: dict[str, list[Changed]]
    settings: list[tuple[str, list[str]]]
    costs: dict[str, ArmCost]
    remarks: list[str]

    @property
    def several_seeds(self) -> bool:
        """Whether an arm has more than one run."""
        return any(len(arm.runs) > 1 for arm in self.arms)


def shared_split(runs: Sequence[Gathered], wanted: str | None = None) -> str:
    """The split to compare on: the one wanted, else the largest that every run was evaluated on.

    Raises:
        NotComparableError: there is none; names what each run has, and the way out.
    """
    for split in ORDER if wanted is None else (wanted,):
        if all(split in run.evaluations for run in runs):
            return split
    lines = "\n".join(f"  {run.id}: {', '.join(run.evaluations) or 'none'}" for run in runs)
    what = "no split that all runs were evaluated on" if wanted is None else f"not every run was evaluated on {wanted}"
    raise NotComparableError(
        f"{what}:\n{lines}\nevaluate the others: python launch/evaluate.py --run RUN --split {wanted or ORDER[1]}"
    )


def compare(arms: Sequence[Arm], split: str, *, anyway: bool = False) -> Comparison:
    """Compare arms that were evaluated on ``split``.

    Args:
        arms: one or more, with different names; the first is what the others are compared against.
        split: one that every run was evaluated on, see :func:`shared_split`.
        anyway: compare although rubric, prompt, temperature or readings differ, on the readings that all hold; what
            differs is remarked.

    Raises:
        NotComparableError: they differ in what must be equal; every reason is told.
    """
    runs = [run for arm in arms for run in arm.runs]
    found = [run.evaluations[split] for run in runs]
    problems = _problems(found, anyway=anyway)
    readings = [record.reading for record in found[0].records]
    for evaluation in found[1:]:
        held = {record.reading for record in evaluation.records}
        readings = [reading for reading in readings if reading in held]
    if not readings:
        raise NotComparableError("the runs have no reading in common")
    tables = {arm.name: _outcomes(arm, split, readings) for arm in arms}
    first, *others = arms
    tests = {
        measure: {arm.name: _test(first, arm, tables, measure, readings) for arm in others} for measure in MEASURES
    }
    names = [arm.name for arm in others]
    by_seed = {arm.name: _by_seed(arm, split, readings) for arm in arms}
    return Comparison(
        arms=tuple(arms),
        split=split,
        readings=tuple(readings),
        rates={
            measure: {arm.name: rate(_shares(arm, tables[arm.name][measure])) for arm in arms} for measure in MEASURES
        },
        by_seed=by_seed,
        tests=tests,
        corrected=dict(zip(names, holm([tests[OVERALL][name].p_value for name in names]), strict=True)),
        seeds_p={name: seeds_test(by_seed[first.name], by_seed[name]) for name in names},
        changed={arm.name: _changed(first, arm, split, tests[OVERALL][arm.name]) for arm in others},
        settings=setting_rows(arms),
        costs={arm.name: _cost(arm, split) for arm in arms},
        remarks=[*problems, *_remarks(arms, found)],
    )


def _problems(found: Sequence[Evaluation], *, anyway: bool) -> list[str]:
    """What keeps the evaluations from being compared, told in one error unless it was allowed."""
    problems: list[str] = []
    for other in found[1:]:
        try:
            check_comparable(found[0], other, anyway=anyway)
        except NotComparableError as error:
            problems.append(str(error))
    if problems:
        raise NotComparableError("\n".join([*problems, "compare the readings they share, all the same: --anyway"]))
    return [
        f"Compared anyway: {found[0].run} and {other.run} differ in more than the model: {difference}."
        for other in found[1:]
        for difference in differences(found[0], other)
    ]


def _by_reading(evaluation: Evaluation) -> dict[Reading, JudgedNotice]:
    return {record.reading: record.answers[0] for record in evaluation.records}


def _outcomes(arm: Arm, split: str, readings: Sequence[Reading]) -> dict[str, dict[Reading, int]]:
    """For each measure and reading the number of the arm's runs that pass."""
    answers = [_by_reading(run.evaluations[split]) for run in arm.runs]
    return {
        name: {reading: sum(measure.passed(part[reading].verdict) for part in answers) for reading in readings}
        for name, measure in MEASURES.items()
    }


def _shares(arm: Arm, passed: dict[Reading, int]) -> list[float]:
    return [count / len(arm.runs) for count in passed.values()]


def _by_seed(arm: Arm, split: str, readings: Sequence[Reading]) -> list[float]:
    return [
        fmean(answers[reading].verdict.passed for reading in readings)
        for answers in (_by_reading(run.evaluations[split]) for run in arm.runs)
    ]


def _test(
    first: Arm, arm: Arm, tables: dict[str, dict[str, dict[Reading, int]]], measure: str, readings: Sequence[Reading]
) -> ArmTest:
    before, after = tables[first.name][measure], tables[arm.name][measure]
    unit = len(first.runs) * len(arm.runs)
    changes = [after[reading] * len(first.runs) - before[reading] * len(arm.runs) for reading in readings]
    low, high = difference_interval([change / unit for change in changes])
    split = {reading: change for reading, change in zip(readings, changes, strict=True) if change}
    return ArmTest(
        gained=tuple(reading for reading, change in split.items() if change > 0),
        lost=tuple(reading for reading, change in split.items() if change < 0),
        difference=sum(changes) / unit / len(readings),
        low=low,
        high=high,
        p_value=sign_flip_test(changes),
    )


def _changed(first: Arm, arm: Arm, split: str, test: ArmTest) -> list[Changed]:
    return [
        Changed(
            reading=reading,
            prompt=user_text(reading),
            bucket=BUCKET_NAMES[bucket(reading)],
            gained=gained,
            answers={
                first.name: _telling(first, split, reading, passes=not gained),
                arm.name: _telling(arm, split, reading, passes=gained),
            },
            passed={
                each.name: sum(_by_reading(run.evaluations[split])[reading].verdict.passed for run in each.runs)
                for each in (first, arm)
            },
        )
        for gained, readings in ((True, test.gained), (False, test.lost))
        for reading in readings
    ]


def _telling(arm: Arm, split: str, reading: Reading, *, passes: bool) -> JudgedNotice:
    """The notice of the first run of an arm that passes, or fails, as the change says; else of its first run."""
    answers = [_by_reading(run.evaluations[split])[reading] for run in arm.runs]
    return next((answer for answer in answers if answer.verdict.passed == passes), answers[0])


def _cost(arm: Arm, split: str) -> ArmCost:
    trainings = [run.manifest.get("training") or {} for run in arm.runs]
    answers = [answer for run in arm.runs for record in run.evaluations[split].records for answer in record.answers]
    seconds = sum(answer.seconds for answer in answers)
    tokens = fmean(answer.tokens for answer in answers)
    return ArmCost(
        seconds=_mean([training.get("seconds") for training in trainings]),
        cpu_seconds=_mean([training.get("cpu_seconds") for training in trainings]),
        tokens=_mean([_tokens(run) for run in arm.runs]),
        items_per_s=_mean([_speed(training) for training in trainings]),
        notices_per_s=len(answers) / seconds if seconds else None,
        notice_tokens=tokens or None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _tokens(run: Gathered) -> float | None:
    """As the run counted them; of older runs what TRL counted in its log."""
    counted = (run.manifest.get("training") or {}).get("tokens")
    return counted or next((line["num_tokens"] for line in reversed(run.log) if "num_tokens" in line), None)


def _speed(training: Mapping[str, Any]) -> float | None:
    """Items a second of work; of older runs the trainer's own figure, which counts evaluations in."""
    if training.get("seconds_at_work"):
        return float(training["items"]) / float(training["seconds_at_work"])
    speed = training.get("metrics", {}).get("train_samples_per_second")
    return None if speed is None else float(speed)


def _remarks(arms: Sequence[Arm], found: Sequence[Evaluation]) -> list[str]:
    told = []
    for arm in arms:
        commits = {str((run.manifest.get("git") or {}).get("commit")) for run in arm.runs}
        if len(commits) > 1:
            told.append(
                f"{arm.name}: its seeds ran on different code ({', '.join(part[:12] for part in sorted(commits))})."
            )
        for run in arm.runs:
            if run.source != "directory":
                told.append(f"{run.id} was read from {run.source} and its notices judged anew.")
            if (run.manifest.get("training") or {}).get("resumed_from"):
                told.append(f"{run.id} was interrupted and resumed; its time counts from there.")
    dirty = [run.id for arm in arms for run in arm.runs if (run.manifest.get("git") or {}).get("dirty")]
    if dirty:
        told.append(f"Ran on code with changes beyond the commit: {', '.join(dirty)}.")
    if any(evaluation.limited for evaluation in found):
        told.append(f"Only the first readings of {found[0].split} were taken.")
    devices = dict.fromkeys(evaluation.device for evaluation in found)
    if len(devices) > 1:
        told.append(f"Notices a second come from different devices and do not compare: {'; '.join(devices)}.")
    seeds = {len(arm.runs) for arm in arms}
    if len(seeds) > 1:
        told.append("The arms have different numbers of seeds, so their test is close to exact instead of exact.")
    return told
