"""The report of a pipeline: base against SFT against DPO on the same readings, in one self-contained HTML file.

Every figure in it is derived here and now from the evaluations, histories and manifests that are handed over.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from data.prompts import user_text
from data.reading import Reading, bucket
from eval.choose import HOW_CHOSEN, spread
from eval.html import picture, write_page
from eval.markdown import p_text
from eval.meaning import (
    BUCKET_NAMES,
    SEEN_NAMES,
    SIGN_NAMES,
    SOFT_NAMES,
    SPLIT_NAMES,
    STAGE_NAMES,
    measure_meanings,
    measure_order,
)
from eval.measure import MEASURES, OVERALL
from eval.paired import NotComparableError, PairedTest, differences, paired_tests
from eval.plots import can_draw, curves, heat_map, rule_bars
from eval.ran import environment, environment_facts, stage_facts, stage_remarks
from eval.record import Evaluation, JudgedNotice
from eval.summary import Summary, summarize
from models.runs import Run
from rewards.verdict import GROUPS


@dataclass(frozen=True)
class ReportStage:
    """One stage of the pipeline and what its model wrote.

    Attributes:
        name: what columns and pictures call it, e.g. ``SFT``.
        evaluation: on the split that all stages share.
        run: the run that made the model; None outside a run.
        log: transformers' ``log_history`` of the training; empty when nothing was trained.
    """

    name: str
    evaluation: Evaluation
    run: Run | None = None
    log: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Report:
    """What a report is made from.

    Attributes:
        stages: in their order, one or more, with different names; each is tested against the one before.
        pairs: the report that lies beside a pair file (``<pairs>.report.json``), if pairs were made.
        remarks: what a reader must know to read the figures right, a sentence each, e.g. that training was cut short.
        environment: as :func:`eval.ran.environment` gives it.
        taught: readings of the examples the models were trained on; None takes the split ``train``.
        notices: so many readings are shown with their notices side by side.
    """

    stages: Sequence[ReportStage]
    pairs: Mapping[str, Any] | None = None
    remarks: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=environment)
    taught: Collection[Reading] | None = None
    notices: int = 20


@dataclass(frozen=True)
class Change:
    """A stage against the one before; ``tests`` is None when they cannot be compared, and ``reason`` says why."""

    name: str
    before: str
    tests: dict[str, PairedTest] | None
    reason: str = ""


@dataclass(frozen=True)
class Written:
    """What each stage wrote for one reading; the first notice when there are several."""

    reading: Reading
    prompt: str
    bucket: str
    answers: dict[str, JudgedNotice]


def write_report(path: Path, report: Report) -> None:
    """Write the report, whole or not at all.

    Raises:
        ValueError: no stage, two stages of one name, or stages evaluated on different splits.
        models.runs.RunError: a run's manifest cannot be read.
        OSError: the file cannot be written; what stood there still stands.
    """
    write_page(path, "report.html.jinja", page_values(report))


def page_values(report: Report) -> dict[str, Any]:
    """What the template uses.

    Raises:
        ValueError: see :func:`write_report`.
        models.runs.RunError: a run's manifest cannot be read.
    """
    stages, first = report.stages, _checked(report.stages)
    summaries = {stage.name: summarize(stage.evaluation, report.taught) for stage in stages}
    changes = [_change(before, after) for before, after in pairwise(stages)]
    measures = measure_order()
    inner = [rule for rules in GROUPS.values() if len(rules) > 1 for rule in rules]
    faults = [] if report.pairs is None else list(_fault_rows(report.pairs, stages))
    return {
        "stages": stages,
        "summaries": summaries,
        "changes": changes,
        "split": first.split,
        "split_meaning": SPLIT_NAMES.get(first.split, ""),
        "made": max(stage.evaluation.created for stage in stages),
        "remarks": [*report.remarks, *_remarks(stages, changes)],
        "facts": {stage.name: stage_facts(stage.run, stage.evaluation) for stage in stages},
        "recipes": {stage.name: text for stage in stages if (text := _recipe(stage.run))},
        "environment": environment_facts(report.environment),
        "overall": OVERALL,
        "measures": measures,
        "inner_rules": inner,
        "groups": {
            measure: ", ".join(MEASURES[measure].rules) if measure.endswith("_group") else measure
            for measure in measures
            if measure not in (*inner, OVERALL)
        },
        "stage_names": STAGE_NAMES,
        "change_group": next(name for name, measure in MEASURES.items() if measure.rules == GROUPS["delta"]),
        "meanings": measure_meanings(first.rubric),
        "buckets": BUCKET_NAMES,
        "harder_names": SEEN_NAMES | SIGN_NAMES,
        "soft_names": SOFT_NAMES,
        "several": any(summary.consistency for summary in summaries.values()),
        "rows": _slices(summaries),
        "written": _written(stages, report.notices),
        "how_chosen": HOW_CHOSEN,
        "pairs": report.pairs,
        "fault_rows": faults,
        "ranked": any(row["ranked"] is not None for row in faults),
        "p_text": p_text,
        **_pictures(stages),
    }


def _checked(stages: Sequence[ReportStage]) -> Evaluation:
    if not stages:
        raise ValueError("a report needs at least one stage")
    if len({stage.name for stage in stages}) < len(stages):
        raise ValueError(
            f"the stages of a report need different names, got {', '.join(stage.name for stage in stages)}"
        )
    splits = dict.fromkeys(stage.evaluation.split for stage in stages)
    if len(splits) > 1:
        raise ValueError(f"the stages were evaluated on {' and '.join(splits)}: evaluate all of them on one split")
    return stages[0].evaluation


def _change(before: ReportStage, after: ReportStage) -> Change:
    try:
        tests = paired_tests(before.evaluation, after.evaluation)
    except NotComparableError as error:
        return Change(after.name, before.name, None, str(error))
    return Change(after.name, before.name, tests)


def _remarks(stages: Sequence[ReportStage], changes: Sequence[Change]) -> Iterator[str]:
    """What the evaluations and manifests themselves give to remark."""
    first = stages[0].evaluation
    names: dict[str, list[str]] = {}
    for stage in stages:
        for remark in stage_remarks(stage.run, stage.evaluation):
            names.setdefault(remark, []).append(stage.name)
    yield from (f"{', '.join(said_of)}: {remark}" for remark, said_of in names.items())
    yield from (
        f"{change.name} was not tested against {change.before}: {change.reason}." for change in changes if change.reason
    )
    for stage in stages[1:]:
        for difference in differences(first, stage.evaluation):
            yield f"{stages[0].name} and {stage.name} differ in more than the model: {difference}."
        if stage.evaluation.device != first.device:
            yield f"Response times of {stages[0].name} and {stage.name} come from different devices and do not compare."


def _recipe(run: Run | None) -> str:
    return "" if run is None or not run.recipe_file.is_file() else run.recipe_file.read_text(encoding="utf-8")


def _slices(summaries: Mapping[str, Summary]) -> dict[str, dict[Any, int]]:
    """The keys of each kind of slice, with the most readings that a stage has in it."""
    slices: dict[str, dict[Any, int]] = {"buckets": {}, "sizes": {}, "seen": {}, "signs": {}}
    for kind, found in slices.items():
        for summary in summaries.values():
            for key, rates in getattr(summary, kind).items():
                found[key] = max(found.get(key, 0), rates[OVERALL].n)
    return slices


def _written(stages: Sequence[ReportStage], number: int) -> list[Written]:
    answers: dict[Reading, dict[str, JudgedNotice]] = {}
    for stage in stages:
        for record in stage.evaluation.records:
            answers.setdefault(record.reading, {})[stage.name] = record.answers[0]
    shared = [reading for reading in answers if len(answers[reading]) == len(stages)]
    return [
        Written(reading, user_text(reading), BUCKET_NAMES[bucket(reading)], answers[reading])
        for reading in spread(shared, number)
    ]


def _fault_rows(pairs: Mapping[str, Any], stages: Sequence[ReportStage]) -> Iterator[dict[str, Any]]:
    """Each fault: what it gave, what the trivial cues see of it, and how the last stage that learnt it ranks it."""
    ranked: dict[str, float] = {}
    for stage in stages:
        for entry in stage.log:
            ranked |= {key: value for key, value in entry.items() if key.startswith("eval_dpo/accuracy/")}
    parts = [pairs["faults"], pairs.get("pool", {}).get("faults", {})]
    for name in dict.fromkeys(name for part in parts for name in part):
        found = [part[name] for part in parts if name in part]
        reasons: Counter[str] = Counter()
        for fault in found:
            reasons.update(fault["given_up"])
        yield {
            "name": name,
            "made": sum(fault["made"] for fault in found),
            "given_up": reasons.total(),
            "why": next((reason for reason, _ in reasons.most_common(1)), ""),
            "cues": pairs["cues"].get(name),
            "ranked": ranked.get(f"eval_dpo/accuracy/{name}"),
        }


def _pictures(stages: Sequence[ReportStage]) -> dict[str, Any]:
    evaluations = {stage.name: stage.evaluation for stage in stages}
    return {
        "bars": picture(partial(rule_bars, evaluations), "Pass rates per rule; the table has the figures."),
        "maps": [
            picture(
                partial(heat_map, stage.evaluation, name=stage.name),
                f"Grid of yesterday by today: where the notices of {stage.name} pass and what the others fail.",
            )
            for stage in stages
        ],
        "courses": [
            picture(partial(curves, {stage.name: stage.log}), f"Course of the training of {stage.name}.")
            for stage in stages
            if can_draw(stage.log)
        ],
    }
