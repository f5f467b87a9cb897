"""Both stages as a user starts them, one after the other, with nothing set up; and stage 2 in two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpo.load import load_pairs
from models.runs import newest_run

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "launch" / "recipes" / "tiny-random"
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch"]


def environment(folder, **more):
    """A machine with an empty home: no W&B key, no accelerate settings, and nobody at the keyboard."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "ONDO_", "ACCELERATE_"))}
    return {**kept, "HOME": str(folder), "OMP_NUM_THREADS": "1", "WANDB_DIR": str(folder), **more}


def start(command, folder, **more):
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_two_commands_work_in_order_without_a_key(tmp_path, chat_files):
    train, validation = chat_files
    done = start(
        [*LAUNCH, ROOT / "launch" / "sft.py", "--config", RECIPES / "sft.yaml", "--train_file", train,
         "--validation_file", validation],
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    sft = newest_run("sft", tmp_path / "runs")
    assert sft.manifest["wandb"]["reason"] == "no W&B key was found"
    assert f"ondo: finished {sft.path}" in done.stderr
    done = start([*LAUNCH, ROOT / "launch" / "dpo.py", "--config", RECIPES / "dpo.yaml"], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    dpo = newest_run("dpo", tmp_path / "runs")
    assert dpo.manifest["parent"] == sft.id
    assert dpo.manifest["recipe"]["sft"] == str(sft.path)
    for run in (sft, dpo):
        tracked = run.manifest["wandb"]
        assert tracked["mode"] == "offline"
        assert list(Path(tracked["folder"]).glob("run-*.wandb"))
        assert Path(tracked["folder"]).is_relative_to(tmp_path)
    assert f"python launch/sync.py {dpo.manifest['wandb']['folder']}" in done.stderr


def test_two_processes_make_one_run(tmp_path, sft_run):
    done = start(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         ROOT / "launch" / "dpo.py", "--config", RECIPES / "dpo.yaml", "--sft", sft_run.path,
         "--per_device_train_batch_size", "6", "--runs_dir", tmp_path / "runs"],
        tmp_path,
        WANDB_MODE="offline",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = (tmp_path / "runs").iterdir()
    run = newest_run("dpo", tmp_path / "runs")
    assert run.path == path
    assert run.manifest["training"]["steps"] == 6
    assert len(load_pairs(path / "pairs.jsonl")) == run.manifest["data"]["pairs"]
    # both processes took part, and one of them spoke
    assert len(list(run.checkpoints.glob("checkpoint-6/rng_state_*.pth"))) == 2
    assert done.stderr.count("ondo: finished") == 1
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1
    first = next(line for line in json.loads((path / "history.json").read_text()) if "loss" in line)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-3)


def test_without_an_sft_run_the_way_out_is_told(tmp_path):
    done = start([sys.executable, ROOT / "launch" / "dpo.py"], tmp_path)
    assert done.returncode == 2
    assert "dpo: no finished sft run in runs: run launch/sft.py first" in done.stderr
    assert "Traceback" not in done.stderr
