"""Evaluations as plain tables: columns and rows, for W&B or any other table."""

from collections.abc import Mapping
from typing import Any

from eval.record import Evaluation
from rewards.verdict import RULES

Row = list[Any]
NOTICES = ("yesterday", "today", "sample", "notice", "passed", *RULES)
"""One row a notice; a column of True and False for each rule."""
FAILURES = ("rule", "yesterday", "today", "notice", "reason")
"""One row for each rule that a notice fails."""


def notice_rows(evaluation: Evaluation) -> list[Row]:
    """Every notice with its verdict, in the order of the records; rows of :data:`NOTICES`."""
    return [
        [
            record.reading.yesterday,
            record.reading.today,
            number,
            answer.text,
            answer.verdict.passed,
            *(result.passed for result in answer.verdict.rules),
        ]
        for record in evaluation.records
        for number, answer in enumerate(record.answers)
    ]


def failure_rows(evaluation: Evaluation) -> list[Row]:
    """Every failure with its reason, rule by rule; rows of :data:`FAILURES`."""
    found: dict[str, list[Row]] = {rule: [] for rule in RULES}
    for record in evaluation.records:
        for answer in record.answers:
            for result in answer.verdict.rules:
                if not result.passed:
                    reading = record.reading
                    found[result.name].append(
                        [result.name, reading.yesterday, reading.today, answer.text, result.reason or "failed"]
                    )
    return [row for rows in found.values() for row in rows]


def side_by_side(evaluations: Mapping[str, Evaluation]) -> tuple[list[str], list[Row]]:
    """What several models wrote for the readings that all of them have: columns, and one row a reading.

    For each model its first notice, whether it passes, and which rules it fails.
    """
    columns = ["yesterday", "today"]
    columns += [f"{name} {what}" for name in evaluations for what in ("notice", "passed", "fails")]
    first, *others = [
        {record.reading: record.answers[0] for record in evaluation.records} for evaluation in evaluations.values()
    ]
    rows = []
    for reading in first:
        if all(reading in other for other in others):
            row: Row = [reading.yesterday, reading.today]
            for answers in (first, *others):
                verdict = answers[reading].verdict
                row += [answers[reading].text, verdict.passed, ", ".join(r.name for r in verdict.rules if not r.passed)]
            rows.append(row)
    return columns, rows
