"""What the generation benchmark makes of its runs, and that it refuses what it cannot measure."""

import argparse

import pytest

from bench.compare import DisagreementError
from bench.generation import check, measure, summarize
from bench.writers import Subject, Written
from data.reading import Reading

READINGS = [Reading(3, 9), Reading(21, 14)]


def written(seconds, *notices, memory=100.0):
    return Written(seconds, notices, memory)


def test_ratios_are_of_tokens_per_second_round_by_round():
    """ondo: 40 tokens in 2 s and in 4 s; first: 10 in 5 s twice; so 20/2 and 10/2. best: 40 in 8 s, 4 s: 4 and 1."""
    one, other = ("가", 10, True), ("나", 30, False)
    runs = {
        "first": [written(5.0, one, memory=70), written(5.0, one, memory=90)],
        "best_32": [written(8.0, one, other), written(4.0, one, other)],
        "best_100": [written(16.0, one, ("다", 30, False)), written(16.0, one, ("다", 30, False))],
        "ondo": [written(2.0, one, other), written(4.0, one, other)],
    }
    found = summarize(runs)
    assert found["speedup"] == {"first": 7.5, "best_32": 2.5, "best_100": 6.0}
    assert found["spread"]["first"] == [5.0, 10.0]
    assert found["speedup_vs_first"] == 7.5
    assert found["speedup_vs_best"] == 2.5, "against the faster of the best"
    assert found["systems"]["first"] == {
        "readings": 1,
        "notices_per_s": 0.2,
        "tokens_per_s": 2.0,
        "peak_memory_mb": 90,
        "equal_to_ondo": 1.0,
    }
    assert found["systems"]["best_100"]["equal_to_ondo"] == 0.5
    assert found["decoded"] == {"readings": 2, "tokens_each": 20.0, "finished": 0.5}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"readings": 0}, "--readings"),
        ({"readings": 201}, "--readings"),
        ({"pairs": 0}, "--pairs"),
        ({"systems": "first,vllm"}, "unknown vllm"),
    ],
)
def test_wrong_arguments(wrong, message):
    given = {"readings": 2, "slow": 2, "pairs": 1, "systems": "first", "json": None} | wrong
    with pytest.raises(ValueError, match=message):
        measure(argparse.Namespace(**given))


def test_notices_that_differ_end_the_benchmark(monkeypatch):
    class Process:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def __call__(self, function, writer, subject, readings):
            return written(1.0, ("같은 문구", 9, True), (f"문구 {writer}", 9, True))

    monkeypatch.setattr("bench.generation.Worker", Process)
    with pytest.raises(DisagreementError, match=r"21 -> 14: ondo \('문구 ondo', 9, True\), transformers"):
        check(Subject("tiny-random", None, 9, 2), READINGS)
