"""The guard with an engine that says what it is told: nothing that fails goes out, and everything is written down."""

import asyncio
import json

import pytest

from data.reading import Reading
from rewards.judge import judge
from serve.engine import EngineBusyError, EngineError, EngineTimeoutError, GivenUp
from serve.fallback import fallback_notice
from serve.guard import Guard, Tries
from serve.journal import Journal
from serve.metrics import Metrics
from tests.serve.fakes import WRONG, FakeEngine, right

READING = Reading(10, 20)


@pytest.fixture
def guarded(tmp_path):
    """Build a guard, ask it once, and give back the answer, the journal's lines, the engine and the guard."""

    def ask(say, *, temperature=0.0, retries=3, ahead=True, limit=20.0, reading=READING):
        engine = FakeEngine(say)
        journal = Journal(tmp_path / "journal.jsonl", 10**6)
        guard = Guard(engine, journal, Metrics(), Tries(retries, 0.7, ahead, limit))
        answer = asyncio.run(guard.answer(reading, temperature))
        assert judge(answer.message, reading.yesterday, reading.today) == answer.verdict
        assert answer.verdict.passed
        text = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
        return answer, [json.loads(line) for line in text.splitlines()], engine, guard

    return ask


@pytest.mark.parametrize("ahead", [True, False])
def test_a_first_answer_that_passes_goes_out(guarded, ahead):
    answer, lines, engine, guard = guarded(lambda *_: f"  {right(READING)}\n", ahead=ahead)
    assert (answer.message, answer.source, answer.attempts) == (right(READING), "model", 1)
    assert lines == []
    assert len(engine.calls) == (4 if ahead else 1)
    assert b'ondo_answers_total{source="model"} 1.0' in guard._metrics.text()


@pytest.mark.parametrize("ahead", [True, False])
def test_a_retry_that_passes_goes_out_and_what_failed_is_written_down(guarded, ahead):
    answer, lines, engine, guard = guarded(
        lambda reading, heat, call: right(reading) if call == 3 else WRONG, ahead=ahead, retries=2
    )
    assert (answer.message, answer.source) == (right(READING), "retry")
    assert [heat for _, heat in engine.calls] == [0.0, 0.7, 0.7]
    assert engine.held == [False, True, True]
    assert answer.attempts >= 2
    first = lines[0]
    assert (first["yesterday"], first["today"], first["message"]) == (10, 20, WRONG)
    assert first["verdict"] == judge(WRONG, 10, 20).to_dict()
    assert first["failed"] == sorted(judge(WRONG, 10, 20).failed)
    assert "label" in first["failed"]
    assert (first["served"], first["source"]) == (answer.message, "retry")
    assert b'ondo_rule_failures_total{rule="label"}' in guard._metrics.text()


@pytest.mark.parametrize("ahead", [True, False])
def test_nothing_that_passes_means_the_template(guarded, ahead):
    answer, lines, engine, _ = guarded(lambda *_: WRONG, ahead=ahead)
    assert (answer.message, answer.source, answer.attempts) == (fallback_notice(READING), "template", 4)
    assert len(lines) == len(engine.calls) == 4
    assert {line["served"] for line in lines} == {answer.message}


def test_the_journal_says_which_answers_are_beginnings(guarded):
    _, lines, _, _ = guarded(lambda reading, heat, call: GivenUp(" 어제보다 ") if call == 1 else WRONG, retries=1)
    assert [(line["message"], line["given_up"]) for line in lines] == [("어제보다", True), (WRONG, False)]


def test_no_retries_at_all(guarded):
    answer, lines, _, _ = guarded(lambda *_: WRONG, retries=0)
    assert (answer.source, answer.attempts, len(lines)) == ("template", 1, 1)


def test_the_requests_temperature_is_the_first_answers(guarded):
    _, _, engine, _ = guarded(lambda *_: WRONG, temperature=1.6)
    assert sorted(heat for _, heat in engine.calls) == [0.7, 0.7, 0.7, 1.6]


@pytest.mark.parametrize("error", [EngineError("refused"), EngineTimeoutError("late"), EngineBusyError("full")])
@pytest.mark.parametrize("ahead", [True, False])
def test_an_engine_that_fails_means_the_template_and_is_written_down(guarded, error, ahead):
    answer, lines, _, guard = guarded(lambda *_: error, ahead=ahead)
    assert (answer.source, answer.attempts) == ("template", 0)
    assert [line["error"] for line in lines] == [str(error)]
    assert guard.engine_error == str(error)
    kind = {"refused": "error", "late": "timeout", "full": "busy"}[str(error)]
    assert f'ondo_engine_errors_total{{kind="{kind}"}} 1.0'.encode() in guard._metrics.text()


def test_a_first_answer_that_never_comes_does_not_hold_up_a_retry_that_passes(guarded):
    answer, _, engine, _ = guarded(lambda reading, heat, call: 60.0 if call == 1 else right(reading), limit=0.3)
    assert answer.source == "retry"
    assert engine.cancelled == 1


def test_an_engine_that_never_answers_means_the_template_in_time(guarded):
    answer, lines, engine, guard = guarded(lambda *_: 60.0, limit=0.2)
    assert (answer.source, answer.attempts) == ("template", 0)
    assert engine.cancelled == 4
    assert "0.2 s" in lines[0]["error"]
    assert "0.2 s" in str(guard.engine_error)


def test_retries_still_running_are_given_up_once_one_passes(guarded):
    answer, _, engine, _ = guarded(lambda reading, heat, call: {1: WRONG, 2: right(reading)}.get(call, 60.0), retries=5)
    assert answer.source == "retry"
    assert engine.cancelled == 4


def test_a_retry_that_passes_ends_the_others_while_the_first_answer_is_still_written(guarded):
    answer, lines, engine, _ = guarded(
        lambda reading, heat, call: {1: 0.3, 2: right(reading)}.get(call, 60.0), retries=3, limit=20.0
    )
    # what was waited for goes out, and nothing else was
    assert (answer.source, answer.attempts, engine.cancelled, lines) == ("model", 2, 2, [])


def test_in_a_crowd_retries_come_one_after_the_other_and_after_the_first_answer(tmp_path):
    engine = FakeEngine(lambda *_: WRONG)
    engine.few = 2
    guard = Guard(engine, Journal(tmp_path / "j", 10**6), Metrics(), Tries(2, 0.7, True, 20.0))
    readings = [Reading(10, 20), Reading(10, 21), Reading(10, 22)]

    async def scenario():
        return await asyncio.gather(*(guard.answer(reading, 0.0) for reading in readings))

    assert [(answer.source, answer.attempts) for answer in asyncio.run(scenario())] == [("template", 3)] * 3
    calls = [(reading.today, held) for (reading, _), held in zip(engine.calls, engine.held, strict=True)]
    # the third is one too many for all of its answers to be begun at once
    assert [held for today, held in calls if today == 22] == [False, True, True]
    assert calls[:7] == [(20, False), (20, True), (20, True), (21, False), (21, True), (21, True), (22, False)]
    assert calls[7:] == [(22, True), (22, True)]
    asyncio.run(guard.answer(readings[2], 0.0))
    assert engine.held[-3:] == [False, True, True], "alone again"


def test_an_error_is_forgotten_when_the_engine_answers_again(tmp_path):
    engine = FakeEngine(lambda reading, heat, call: EngineError("refused") if call == 1 else WRONG)
    guard = Guard(engine, Journal(tmp_path / "j", 10**6), Metrics(), Tries(0, 0.7, True, 5.0))

    async def scenario():
        await guard.answer(READING, 0.0)
        assert guard.engine_error == "refused"
        await guard.answer(READING, 0.0)
        assert guard.engine_error is None

    asyncio.run(scenario())


def test_a_full_disk_does_not_keep_a_notice_from_going_out(tmp_path, monkeypatch, caplog):
    journal = Journal(tmp_path / "j", 10**6)

    def full(entry):
        raise OSError("no space left")

    monkeypatch.setattr(journal, "write", full)
    guard = Guard(FakeEngine(lambda *_: WRONG), journal, Metrics(), Tries(0, 0.7, True, 5.0))
    assert asyncio.run(guard.answer(READING, 0.0)).source == "template"
    assert "the journal could not be written" in caplog.text


def test_a_template_that_breaks_a_rule_is_not_served(tmp_path, monkeypatch):
    monkeypatch.setattr("serve.guard.fallback_notice", lambda reading: WRONG)
    guard = Guard(FakeEngine(lambda *_: WRONG), Journal(tmp_path / "j", 10**6), Metrics(), Tries(0, 0.7, True, 5.0))
    with pytest.raises(AssertionError, match="breaks"):
        asyncio.run(guard.answer(READING, 0.0))
