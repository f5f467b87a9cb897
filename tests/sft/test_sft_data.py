"""What stage 1 trains on: the project's examples, or the user's own files, judged first."""

import json

import pytest

from data.examples import InvalidExamplesError
from data.source import source_notices
from sft.config import SftConfig
from sft.train import dry_run, load_data
from tests.stage_cases import sft_settings


@pytest.fixture
def own_file(chat_files, tmp_path):
    """The examples with a second line that breaks a rule, a third that cannot be read, and a fourth test cell."""
    from data.prompts import chat_messages
    from data.splits import cells

    good = chat_files[0].read_text(encoding="utf-8").splitlines()
    broken = json.loads(good[1])
    broken["messages"][-1]["content"] = "안내: " + broken["messages"][-1]["content"]
    heldout = {"messages": chat_messages(next(iter(cells("test"))), "공원이 따뜻해졌습니다.")}
    lines = [good[0], json.dumps(broken, ensure_ascii=False), "{", json.dumps(heldout, ensure_ascii=False), *good[2:]]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def config(train=None, validation=None, **changes):
    return SftConfig(train_file=train and str(train), validation_file=validation and str(validation), **changes)


def test_without_files_the_projects_own_examples_are_taken():
    data = load_data(config())
    assert (len(data.train.examples), len(data.validation.examples)) == (302, 15)
    assert [e.notice for e in data.train.examples] == [n.text for n in source_notices("train")]


def test_bad_rows_of_an_own_file_stop_and_are_listed_with_line_and_rule(own_file, chat_files):
    with pytest.raises(InvalidExamplesError) as error:
        load_data(config(own_file, chat_files[1]))
    told = str(error.value)
    assert {(row.line, row.rule) for row in error.value.rows} == {(2, "label"), (3, "form"), (4, "split")}
    assert f"{own_file}:2: label" in told
    assert "--on_invalid drop" in told


def test_bad_rows_can_be_dropped_or_those_that_can_be_read_kept(own_file, chat_files):
    whole = len(chat_files[0].read_text().splitlines())
    dropped = load_data(config(own_file, chat_files[1], on_invalid="drop"))
    kept = load_data(config(own_file, chat_files[1], on_invalid="keep"))
    # the second line of the file broke; a test cell is never trained on
    assert len(dropped.train.examples) == whole - 1
    assert [example.line for example in kept.train.examples if example.line < 5] == [1, 2]
    assert len(kept.train.examples) == whole
    assert {row.line for row in dropped.train.invalid} == {2, 3, 4}


def test_a_validation_reading_that_is_trained_on_is_refused(chat_files, tmp_path):
    train = chat_files[0].read_text(encoding="utf-8").splitlines()
    both = tmp_path / "both.jsonl"
    both.write_text(chat_files[1].read_text(encoding="utf-8") + train[2] + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"{both}:4: this reading stands in {chat_files[0]}:3 too"):
        load_data(config(chat_files[0], both))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl"):
        load_data(config(tmp_path / "none.jsonl"))


def test_a_dry_run_counts_and_writes_nothing(chat_files, own_file, tmp_path, capsys):
    runs = tmp_path / "runs"
    settings = sft_settings(
        (own_file, chat_files[1]), runs, on_invalid="drop", max_steps=-1, num_train_epochs=3, learning_rate=1e-3
    )
    dry_run(settings)
    printed = capsys.readouterr().out
    assert "tiny-random (float32, quantization none)" in printed
    assert "19 examples" in printed
    assert f"invalid row: {own_file}:3: form" in printed
    # 19 examples in steps of 8 are 3 steps an epoch
    assert "9 steps of 8 examples, learning rate 0.001" in printed
    assert not runs.exists()
