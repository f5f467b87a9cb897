import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "launch" / "synthesize.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A pair file of three pairs an example, and what the command printed."""
    folder = tmp_path_factory.mktemp("pairs")
    done = run("--output", "pairs.jsonl", "--per-example", "3", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "pairs.jsonl", done.stdout


def test_the_report_counts_what_the_file_holds(made: tuple[Path, str]) -> None:
    path, printed = made
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    report = json.loads(path.with_name("pairs.jsonl.report.json").read_text(encoding="utf-8"))
    assert len(rows) == report["pairs"] == sum(fault["made"] for fault in report["faults"].values())
    assert report["missing"] == {}
    assert report["examples"] * 3 == len(rows)
    assert {"length", "first_word", "last_word", "rejected_length", "pairs"} == set(report["cues"]["all"])
    assert {row["fault"] for row in rows} | {"all"} == set(report["cues"])
    assert "label_front" in printed
    assert f"{len(rows)} pairs" in printed


def test_the_same_seed_gives_the_same_bytes(made: tuple[Path, str], tmp_path: Path) -> None:
    assert run("--output", "again.jsonl", "--per-example", "3", folder=tmp_path).returncode == 0
    assert (tmp_path / "again.jsonl").read_bytes() == made[0].read_bytes()
    assert run("--output", "other.jsonl", "--per-example", "3", "--seed", "1", folder=tmp_path).returncode == 0
    assert (tmp_path / "other.jsonl").read_bytes() != made[0].read_bytes()


def test_only_the_named_faults(tmp_path: Path) -> None:
    assert run("--output", "p.jsonl", "--faults", "quotes, delta_sum", folder=tmp_path).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["fault"] for row in rows} == {"quotes", "delta_sum"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "p.jsonl", "--faults", "delta_sums"], "unknown fault delta_sums; known: label_front"),
        (["--output", "none/p.jsonl", "--faults", "quotes"], "none"),
        (["--output", "p.jsonl", "--per-example", "-1"], "at least 1"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_stock_datasets_and_stock_dpo_trainer_take_the_file(made: tuple[Path, str], tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer

    from models.tiny import tiny_model, tiny_tokenizer

    dataset = load_dataset("json", data_files=str(made[0]), split="train", cache_dir=str(tmp_path / "cache"))
    tokenizer = tiny_tokenizer()
    trainer = DPOTrainer(
        model=tiny_model(len(tokenizer)),
        ref_model=tiny_model(len(tokenizer)),
        args=DPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            per_device_train_batch_size=2,
            max_length=None,
            report_to=[],
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
            save_strategy="no",
            gradient_checkpointing=False,
        ),
        train_dataset=dataset.select(range(4)),
        processing_class=tokenizer,
    )
    loss = trainer.train().training_loss
    assert loss == pytest.approx(0.6931, abs=1e-3)  # ln 2: the policy is its own reference at step 0
