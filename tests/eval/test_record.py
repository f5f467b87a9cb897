import json
from pathlib import Path
from typing import Any

import pytest

from eval.record import EvaluationError, Generation, JudgedNotice, Record, load_evaluation, save_evaluation
from rewards.judge import judge
from tests.eval.made import answer, evaluation, record


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    texts = ["출력: 어제보다 9도 올랐어요.", "", "둘\n로 \U0001f600 나뉜 'notice'"]
    answers = tuple(JudgedNotice(t, 9, False, 0.1 + 0.2, judge(t, 10, 17)) for t in texts)
    made = evaluation([Record(record(10, 17).reading, answers), record(3, 3, answer(), answer("label"), answer())])
    path = save_evaluation(made, tmp_path)
    assert path == tmp_path / "test-mini-sampled.json"
    assert load_evaluation(path) == made
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text(encoding="utf-8").count('\n{"yesterday"') == 2


def test_sampled_notices_lie_beside_greedy_ones() -> None:
    assert evaluation([record(1, 2)], temperature=0.7).file_name == "test-mini-sampled.json"
    assert evaluation([record(1, 2)]).file_name == "test-mini.json"
    assert not Generation(temperature=0.1).greedy


def test_a_part_of_a_split_says_so() -> None:
    assert evaluation([record(1, 2)]).limited
    assert not evaluation([record(1, 2)], split_size=1).limited


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 0}, "format 0 is not 1"),
        ({"rubric": {"min_chars": 40, "colour": 3}}, "colour"),
        ({"records": []}, "holds no reading"),
        ({"extra": 1}, "key 'extra' is unknown"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = save_evaluation(evaluation([record(1, 2)]), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(EvaluationError, match=message) as caught:
        load_evaluation(path)
    assert str(path) in str(caught.value)


def test_a_missing_key_or_rule_is_named(tmp_path: Path) -> None:
    path = save_evaluation(evaluation([record(1, 2), record(2, 3)]), tmp_path)
    whole = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({k: v for k, v in whole.items() if k != "device"}), encoding="utf-8")
    with pytest.raises(EvaluationError, match="'device' is missing"):
        load_evaluation(path)
    del whole["records"][1]["answers"][0]["verdict"]["rules"]["park"]
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"record 2: .*other rules"):
        load_evaluation(path)


@pytest.mark.parametrize("content", [b"\xff", b"[1", b"[1]"])
def test_what_is_no_evaluation_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    with pytest.raises(EvaluationError, match=r"launch/evaluate\.py"):
        load_evaluation(path)
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"test\.json"):
        load_evaluation(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must"),
        ({"max_new_tokens": 0}, "max_new_tokens must"),
        ({"temperature": -0.5}, "temperature must be at least 0, got -0.5"),
        ({"samples": 2}, "greedy notices of one reading are all the same"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Generation(**settings)
