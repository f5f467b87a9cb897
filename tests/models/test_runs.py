"""Run directories: written whole, found by stage, and an unfinished or damaged one never taken for a finished one."""

import json
import re

import pytest

from models.runs import (
    MANIFEST,
    UNFINISHED,
    Run,
    RunError,
    create_run,
    file_hash,
    finish_run,
    last_checkpoint,
    newest_run,
    open_run,
    open_unfinished,
)


def started(folder, stage="sft", **entries):
    return create_run(stage, {"learning_rate": 1e-3}, runs_dir=folder, recipe_text="learning_rate: 0.001\n", **entries)


def finished(folder, stage="sft", **entries):
    run = started(folder, stage)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    finish_run(run, **entries)
    return run


def test_a_run_says_how_it_started(tmp_path):
    parent = finished(tmp_path)
    run = started(tmp_path, "dpo", weights_hash="ab")
    assert re.fullmatch(r"dpo-\d{8}-\d{6}-[0-9a-f]{6}", run.id)
    assert run.stage == "dpo"
    assert not run.finished
    assert run.manifest["recipe"] == {"learning_rate": 1e-3}
    assert run.manifest["weights_hash"] == "ab"
    assert run.manifest["parent"] is None
    assert {"started", "git", "packages", "hardware", "command"} <= run.manifest.keys()
    assert run.manifest["packages"]["torch"].startswith("2.")
    assert run.recipe_file.read_text() == "learning_rate: 0.001\n"
    assert run.eval.is_dir()
    assert create_run("dpo", {}, runs_dir=tmp_path, parent=parent).manifest["parent"] == parent.id


def test_finishing_writes_the_manifest_last_and_adds_its_entries(tmp_path):
    run = finished(tmp_path, training={"steps": 3})
    assert run.finished
    assert not (run.path / UNFINISHED).exists()
    assert run.manifest["training"] == {"steps": 3}
    assert run.manifest["finished"] >= run.manifest["started"]
    assert open_run(run.path) == run
    run.record(wandb={"id": "x"})
    assert open_run(run.path).manifest["wandb"] == {"id": "x"}


def test_a_run_without_an_adapter_cannot_be_finished(tmp_path):
    run = started(tmp_path)
    with pytest.raises(RunError, match="cannot be finished without an adapter"):
        finish_run(run)
    assert not run.finished


def test_a_base_run_needs_no_adapter(tmp_path):
    run = started(tmp_path, "base")
    finish_run(run)
    assert open_run(run.path).stage == "base"


def test_a_manifest_that_cannot_be_written_leaves_the_run_unfinished(tmp_path, monkeypatch):
    run = started(tmp_path)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        finish_run(run)
    monkeypatch.undo()
    assert not run.finished
    assert list(run.path.glob("*.tmp")) == []
    assert open_unfinished(run.path).manifest["recipe"] == {"learning_rate": 1e-3}


def test_an_unfinished_run_is_refused_and_told_how_to_go_on(tmp_path):
    run = started(tmp_path)
    with pytest.raises(RunError, match=rf"unfinished; go on with it: launch/sft.py --resume {run.path}"):
        open_run(run.path)
    assert open_unfinished(run.path) == run


def test_a_half_written_manifest_is_not_a_manifest(tmp_path):
    run = started(tmp_path)
    (run.path / "tmpabc.tmp").write_text('{"run": "x"')  # what a kill in the midst of a write leaves
    assert not run.finished
    with pytest.raises(RunError, match="unfinished"):
        open_run(run.path)


@pytest.mark.parametrize("content", ["{", "[]", "", "\xff"])
def test_a_damaged_manifest_is_named(content, tmp_path):
    run = finished(tmp_path)
    (run.path / MANIFEST).write_text(content, encoding="latin-1")
    for look in (lambda: open_run(run.path), lambda: newest_run("sft", tmp_path)):
        with pytest.raises(RunError, match=re.escape(str(run.path / MANIFEST))):
            look()


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(RunError, match=r"no run in .*: manifest.json is missing"):
        open_run(tmp_path)
    with pytest.raises(RunError, match=r"no run in .*: unfinished.json is missing"):
        open_unfinished(tmp_path / "none")
    with pytest.raises(RunError, match="is finished; there is nothing to resume"):
        open_unfinished(finished(tmp_path).path)


def test_the_newest_finished_run_is_found_by_its_start_not_by_its_name(tmp_path):
    first = finished(tmp_path)
    second = finished(tmp_path)
    finished(tmp_path, "dpo")
    started(tmp_path)
    assert newest_run("sft", tmp_path) == second
    # an older run whose name sorts last
    renamed = first.path.rename(tmp_path / "sft-99991231-000000-ffffff")
    assert newest_run("sft", tmp_path) == second
    assert Run(renamed).finished


def test_without_a_finished_run_the_unfinished_ones_are_named(tmp_path):
    with pytest.raises(RunError, match=r"no finished sft run in .*: run launch/sft.py first"):
        newest_run("sft", tmp_path / "none")
    run = started(tmp_path)
    with pytest.raises(RunError, match=rf"unfinished: {re.escape(str(run.path))}"):
        newest_run("sft", tmp_path)


def test_runs_of_one_second_have_directories_of_their_own(tmp_path):
    runs = [started(tmp_path) for _ in range(20)]
    assert len({run.path for run in runs}) == 20
    assert [json.loads((run.path / UNFINISHED).read_text())["run"] for run in runs] == [run.id for run in runs]


def test_the_last_checkpoint_is_the_newest_whole_one(tmp_path):
    run = started(tmp_path)
    assert last_checkpoint(run) is None
    for step, state in (("9", "{}"), ("10", "{}"), ("100", '{"half'), ("200", None), ("x", "{}")):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(run) == run.checkpoints / "checkpoint-10"


def test_file_hash_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # the example of FIPS 180-2
    assert file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
