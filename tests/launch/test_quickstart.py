"""The quickstart on a tiny random model: every step, a report, and going on after an interruption."""

import json
from pathlib import Path

import pytest

import launch._pipeline as pipeline_module
from eval.record import load_evaluation
from launch._pipeline import REPORT, SPLIT, STATE, Pipeline, Plan, open_pipeline
from models.runs import RunError, open_run

ROOT = Path(__file__).resolve().parents[2]
PLAN = Plan(recipes=Path("launch/recipes/tiny-random"), limit=4, remarks=("Only a test.",))


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("ONDO_CACHE", str(tmp_path / "cache"))


def opened(runs: Path, *, new: bool = False) -> Pipeline:
    return open_pipeline(PLAN, runs, new=new, root=ROOT)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, call: int) -> list[str]:
    """Make the evaluation so many calls from now stop as Ctrl-C would; returns the stages evaluated so far."""
    ordinary, stages = pipeline_module.evaluate, []

    def evaluate(model, tokenizer, planned, progress=None):
        if len(stages) == call:
            raise KeyboardInterrupt
        stages.append(planned.stage)
        return ordinary(model, tokenizer, planned, progress)

    monkeypatch.setattr(pipeline_module, "evaluate", evaluate)
    return stages


def test_interrupted_it_goes_on_and_ends_with_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    interrupt_at(monkeypatch, 1)  # after SFT, before its notices are written
    with pytest.raises(KeyboardInterrupt):
        opened(runs).run()
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("ONDO_CACHE", str(tmp_path / "cache"))
    (folder,) = runs.glob("quickstart-*")
    before = json.loads((folder / STATE).read_text(encoding="utf-8"))
    assert set(before["done"]) == {"data", "base", "sft"}
    assert not before["finished"]

    stages = interrupt_at(monkeypatch, 10)
    again = opened(runs)
    assert again.folder == folder
    report = again.run()
    assert stages == ["sft", "dpo"]
    after = json.loads((folder / STATE).read_text(encoding="utf-8"))
    assert after["finished"]
    assert after["done"]["sft"] == before["done"]["sft"]
    assert len(list(runs.glob("sft-*"))) == len(list(runs.glob("dpo-*"))) == 1

    text = report.read_text(encoding="utf-8")
    assert report == folder / REPORT
    assert "Only a test." in text
    dpo = open_run(after["done"]["dpo"])
    assert dpo.manifest["parent"] == open_run(after["done"]["sft"]).id
    assert {run.manifest["group"] for run in map(open_run, (after["done"][s] for s in ("base", "sft", "dpo")))} == {
        folder.name
    }
    assert len(load_evaluation(dpo.eval / f"{SPLIT}.json").records) == PLAN.limit
    assert opened(runs).folder != folder, "a finished quickstart is not gone on with"


def test_what_would_be_done_is_said_without_doing_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    opened(runs).describe()
    told = capsys.readouterr().out
    assert "to do" in told
    assert "SFT" in told
    assert not runs.exists()


def test_a_damaged_state_is_named_and_passed_over_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / "quickstart-20260101-000000"
    folder.mkdir()
    (folder / STATE).write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"state\.json is damaged"):
        opened(tmp_path)
    assert opened(tmp_path, new=True).folder != folder


def test_without_room_on_the_disk_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "NEEDED_GIB", 10.0**9)
    with pytest.raises(OSError, match="are needed; nothing was begun"):
        opened(tmp_path / "runs").run()
    assert not list((tmp_path / "runs").glob("quickstart-*"))
