import dataclasses
from pathlib import Path

import pytest

from data.splits import cells
from eval.evaluate import base_run, evaluate, plan
from eval.record import Generation
from models.load import Loaded, ModelSpec, load_base, run_spec
from models.runs import open_run
from rewards.judge import judge
from rewards.rubric import Rubric

SHORT = Generation(max_new_tokens=5, batch_size=4)


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load_base(ModelSpec("tiny-random", dtype="float32"))


def test_a_plan_takes_the_first_readings_of_the_split_and_says_so(tiny: Loaded) -> None:
    planned = plan(tiny, "test-mini", limit=3)
    assert [record.reading for record in planned.records] == list(cells("test-mini")[:3])
    assert (planned.split_size, planned.limited, planned.stage, planned.adapter_hash) == (200, True, "base", None)
    assert (planned.model, planned.weights_hash) == ("tiny-random", tiny.weights_hash)
    assert not plan(tiny, "guide").limited


def test_every_reading_gets_its_notice_and_its_verdict(tiny: Loaded) -> None:
    told: list[tuple[int, int]] = []
    rubric = Rubric(min_chars=0)
    planned = plan(tiny, "guide", generation=SHORT, rubric=rubric)
    made = evaluate(tiny.model, tiny.tokenizer, planned, lambda done, total: told.append((done, total)))
    assert dataclasses.replace(made, records=planned.records) == planned
    assert [record.reading for record in made.records] == list(cells("guide"))
    for record in made.records:
        (answer,) = record.answers
        assert 0 < answer.tokens <= 5
        assert answer.verdict == judge(answer.text, record.reading.yesterday, record.reading.today, rubric)
    assert told[-1] == (6, 6)
    again = evaluate(tiny.model, tiny.tokenizer, planned)
    assert [r.answers[0].text for r in again.records] == [r.answers[0].text for r in made.records]


def test_samples_come_by_the_reading(tiny: Loaded) -> None:
    sampling = dataclasses.replace(SHORT, samples=3, temperature=1.0)
    made = evaluate(tiny.model, tiny.tokenizer, plan(tiny, "guide", limit=2, generation=sampling))
    assert [len(record.answers) for record in made.records] == [3, 3]
    assert made.file_name == "guide-sampled.json"


@pytest.mark.parametrize(
    ("split", "limit", "message"),
    [
        ("train", None, "unknown split 'train': take one of validation, selection, guide, test-mini, test"),
        ("guide", 0, "limit must be at least 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(split: str, limit: int | None, message: str, tiny: Loaded) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tiny, split, limit=limit)


def test_a_base_run_is_finished_and_says_how_its_model_was_loaded(tiny: Loaded, tmp_path: Path) -> None:
    run = base_run(tiny, tmp_path, group="g")
    assert open_run(run.path).manifest["group"] == "g"
    assert run.stage == "base"
    assert run_spec(run) == tiny.spec
    planned = plan(tiny, "guide", run=run)
    assert (planned.run, planned.stage, planned.adapter_hash) == (run.id, "base", None)
