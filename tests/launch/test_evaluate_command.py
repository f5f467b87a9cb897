import dataclasses
import errno
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from peft import LoraConfig, get_peft_model

from data.prompts import prompt_hash
from eval.record import load_evaluation
from models.adapter import IDENTITY, save_adapter
from models.load import ModelSpec, load_base
from models.runs import Run, create_run, file_hash, finish_run
from models.script import run_script

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "launch" / "evaluate.py"
QUICK = ("--split", "guide", "--limit", "2", "--max_new_tokens", "4")

Command = Callable[..., int]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """The command as a module, so that not every call starts an interpreter."""
    spec = importlib.util.spec_from_file_location("evaluate_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def command(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, arguments)])
        return run_script("evaluate", script.main)

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def base(runs: Path) -> Run:
    """A base run, made by the command itself in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--model", "tiny-random", "--runs_dir", str(runs), *QUICK],
        capture_output=True,
        text=True,
        check=False,
        cwd=runs,
    )
    assert done.returncode == 0, done.stderr
    (path,) = runs.glob("base-*")
    assert "overall" in done.stdout
    assert f"{path.name} on guide, 2 of 6 readings" in done.stdout
    assert done.stdout.rstrip().endswith("guide.md")
    return Run(path)


@pytest.fixture(scope="module")
def sft(runs: Path) -> Run:
    """A finished run with an untrained adapter."""
    loaded = load_base(ModelSpec("tiny-random"))
    run = create_run(
        "sft",
        {},
        runs_dir=runs,
        base_model=loaded.spec.name,
        base_spec=dataclasses.asdict(loaded.spec),
        weights_hash=loaded.weights_hash,
        prompt_hash=prompt_hash(),
    )
    save_adapter(get_peft_model(loaded.model, LoraConfig(r=2, target_modules=["q_proj"])), loaded, run.adapter)
    finish_run(run)
    return run


def test_a_base_model_gets_a_run_of_its_own(base: Run) -> None:
    assert {path.name for path in base.eval.iterdir()} == {"guide.json", "guide.md", "guide-map.png", "guide-rules.png"}
    made = load_evaluation(base.eval / "guide.json")
    assert (made.run, made.stage, made.model, made.split) == (base.id, "base", "tiny-random", "guide")
    assert (len(made.records), made.split_size) == (2, 6)
    assert "| readings | the first 2 of 6 |" in (base.eval / "guide.md").read_text(encoding="utf-8")


def test_a_run_with_an_adapter_against_its_base(
    base: Run, sft: Run, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--run", sft.path, "--against", base.path, *QUICK) == 0
    printed = capsys.readouterr().out
    assert f"against {base.id}" in printed
    assert "gained" in printed
    made = load_evaluation(sft.eval / "guide.json")
    assert (made.run, made.stage) == (sft.id, "sft")
    assert made.adapter_hash == file_hash(sft.adapter / "adapter_model.safetensors")
    assert f"## Against {base.id}" in (sft.eval / "guide.md").read_text(encoding="utf-8")


def test_samples_are_kept_beside_the_greedy_notices(base: Run, command: Command) -> None:
    greedy = (base.eval / "guide.json").read_bytes()
    assert command("--run", base.path, *QUICK, "--samples", 3) == 0
    made = load_evaluation(base.eval / "guide-sampled.json")
    assert (made.generation.samples, made.generation.temperature) == (3, 1.0)
    assert [len(record.answers) for record in made.records] == [3, 3]
    assert (base.eval / "guide.json").read_bytes() == greedy


def test_bad_input_is_told_with_exit_code_2(
    base: Run, sft: Run, command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    unfinished = create_run("sft", {}, runs_dir=tmp_path)
    tiny = ("--model", "tiny-random", "--runs_dir", tmp_path)
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--run", tmp_path / "none", *QUICK), "none: manifest.json is missing"),
        (("--run", unfinished.path, *QUICK), f"{unfinished.path} is unfinished; go on with it"),
        (("--model", "./none", *QUICK), "model './none': no such folder"),
        ((*tiny, "--split", "guide", "--limit", "0"), "limit must be at least 1"),
        ((*tiny, *QUICK, "--temperature", "-1"), "temperature"),
        ((*tiny, *QUICK, "--min_chars", "80"), "min_chars 80"),
        ((*tiny, *QUICK, "--samples", "2", "--temperature", "0"), "all the same"),
        ((*tiny, "--split", "validation", "--against", base.path), f"{base.path} has no validation.json"),
        ((*tiny, "--split", "guide", "--against", base.path), "2 readings of guide against 6"),
        (("--run", base.path, "--split", "guide", "--limit", "1"), "holds 2 readings and --limit asks for 1"),
    ]
    for arguments, message in cases:
        assert command(*arguments) == 2, arguments
        assert message in capsys.readouterr().err, arguments
    assert list(tmp_path.glob("base-*")) == []


def test_an_unknown_split_and_a_missing_model_are_told(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (("--model", "tiny-random", "--split", "train"), "invalid choice: 'train'"),
        ((), "--run"),
    ):
        with pytest.raises(SystemExit) as left:
            command(*arguments)
        assert left.value.code == 2
        assert message in capsys.readouterr().err


def test_an_adapter_of_another_base_model_is_refused(
    sft: Run, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sft.adapter / IDENTITY
    right = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(json.loads(right) | {"weights_hash": "f" * 64, "base_model": "other"}), encoding="utf-8")
    try:
        assert command("--run", sft.path, *QUICK) == 2
    finally:
        path.write_text(right, encoding="utf-8")
    assert "was trained on 'other'" in capsys.readouterr().err


def test_a_full_disk_is_told_and_what_stood_there_still_stands(
    base: Run, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in base.eval.iterdir()}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert command("--run", base.path, *QUICK) == 2
    told = capsys.readouterr().err
    assert "No space left on device" in told
    assert str(base.eval / "guide.json") in told
    assert {path: path.read_bytes() for path in base.eval.iterdir()} == before
