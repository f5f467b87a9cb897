"""The command that sets runs side by side, on runs made by hand."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from eval.record import save_evaluation
from models.runs import Run, create_run, finish_run
from models.script import run_script
from tests.eval.gathered import outcomes

SCRIPT = Path(__file__).parents[2] / "launch" / "compare.py"
Command = Callable[..., int]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("compare_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def command(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    def run(*arguments: object) -> int:
        where = ["--runs_dir", str(tmp_path), "--wandb_dir", str(tmp_path / "wandb")]
        monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, arguments), *where])
        return run_script("compare", script.main)

    return run


def made(folder: Path, passes: list[bool], *, split: str = "test-mini", **recipe: object) -> Run:
    """A finished SFT run with one evaluation."""
    run = create_run("sft", recipe, runs_dir=folder)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    finish_run(run)
    save_evaluation(outcomes(run.id, passes, split=split), run.eval)
    return run


def test_two_runs_in_every_form(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = made(tmp_path, [True, False, False], lora_r=4), made(tmp_path, [True, True, True], lora_r=8)
    files = {kind: tmp_path / f"out.{kind}" for kind in ("markdown", "json", "html")}
    options = [part for kind, file in files.items() for part in (f"--{kind}", file)]
    assert command(first.id, second.path, *options) == 0
    printed = capsys.readouterr().out
    for part in (
        "3 readings of test-mini",
        "Rule by rule",
        "sft lora_r 8",
        "+2 -0",
        "McNemar",
        str(files["html"]),
    ):
        assert part in printed
    plain = json.loads(files["json"].read_text(encoding="utf-8"))
    assert plain["tests"]["sft lora_r 8"]["overall"]["p_value"] == 0.5
    assert "| lora\\_r | 4 | 8 |" in files["markdown"].read_text(encoding="utf-8")
    assert "sft lora_r 8" in files["html"].read_text(encoding="utf-8")


def test_the_page_goes_to_the_folder_of_runs(command: Command, tmp_path: Path) -> None:
    run = made(tmp_path, [True])
    assert command(run.id) == 0
    assert len(list(tmp_path.glob("compare-*.html"))) == 1


def test_what_cannot_be_compared_leaves_with_2_and_says_why(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, fewer = made(tmp_path, [True, False], lora_r=4), made(tmp_path, [True], lora_r=8)
    other = made(tmp_path, [True], split="guide", lora_r=16)
    unfinished = create_run("dpo", {}, runs_dir=tmp_path)
    cases: list[tuple[tuple[object, ...], str]] = [
        ((run.id, fewer.id), "2 readings of test-mini against 1"),
        ((run.id, fewer.id), "--anyway"),
        ((run.id, other.id), "no split that all runs were evaluated on"),
        ((run.id, "--split", "test"), "not every run was evaluated on test"),
        ((run.id, run.path), "is named twice"),
        ((run.id, "sft-none"), "no run sft-none"),
        ((run.id, unfinished.id), "is unfinished"),
    ]
    for arguments, message in cases:
        assert command(*arguments) == 2, arguments
        assert message in capsys.readouterr().err, arguments
    assert not list(tmp_path.glob("*.html"))
    assert command(run.id, fewer.id, "--anyway") == 0
