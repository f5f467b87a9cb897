"""Every hand-judged message against the judge, rule by rule; the guide's six answers; the written notices."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.source import source_notices
from rewards.judge import judge, judge_batch
from rewards.rubric import Rubric
from rewards.verdict import RULES, RuleName, Verdict

FILE = Path(__file__).with_name("messages.jsonl")
MESSAGES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@cache
def verdicts() -> dict[str, Verdict]:
    judged = judge_batch([(row["message"], row["yesterday"], row["today"]) for row in MESSAGES])
    return {row["id"]: verdict for row, verdict in zip(MESSAGES, judged, strict=True)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row["id"])
def test_the_judge_agrees_with_the_hand(row: dict[str, Any], rule: RuleName) -> None:
    result = verdicts()[row["id"]].rule(rule)
    assert result.passed == (rule not in row["fails"]), (row["message"], row["note"], result.measured, result.reason)


def test_the_file_is_well_formed() -> None:
    assert len({row["id"] for row in MESSAGES}) == len(MESSAGES) >= 800
    assert all(set(row) == {"id", "yesterday", "today", "message", "fails", "note"} for row in MESSAGES)
    assert all(row["fails"] == [rule for rule in RULES if rule in row["fails"]] for row in MESSAGES)
    for rule in RULES:  # a rule that is never or always failed would test nothing
        assert 10 <= sum(rule in row["fails"] for row in MESSAGES) < len(MESSAGES) / 2, rule


def test_a_failed_rule_says_why_and_a_passed_one_does_not() -> None:
    for verdict in verdicts().values():
        for result in verdict.rules:
            assert (result.reason is None) == result.passed


@pytest.mark.parametrize("row", [row for row in MESSAGES if row["id"].startswith("guide")], ids=lambda row: row["id"])
def test_the_guides_answers_pass_the_looser_reading(row: dict[str, Any]) -> None:
    verdict = judge(row["message"], row["yesterday"], row["today"], Rubric(min_chars=20, max_sentences=2))
    assert verdict.failed == set(row["fails"]) - {"one_sentence", "length"}
    assert verdict.rule("one_sentence").measured == 2


def test_every_written_notice_passes() -> None:
    notices = [*source_notices("train"), *source_notices("validation")]
    judged = judge_batch([(notice.text, notice.reading.yesterday, notice.reading.today) for notice in notices])
    assert len(notices) == 317
    assert [(n.text, v.failed) for n, v in zip(notices, judged, strict=True) if not v.passed] == []
