"""Runs as they arrive at a W&B server: online, and offline with ``launch/sync.py``."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wandb

from launch._pipeline import Plan, open_pipeline
from models.runs import Run, newest_run
from tests.fake_wandb import FakeWandb
from tests.stage_cases import RECIPES, ROOT, only_run_of

SYNC = ROOT / "launch" / "sync.py"


@pytest.fixture
def server():
    with FakeWandb() as made:
        yield made
        assert made.unknown == []


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "ONDO_"))}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {**kept, "HOME": str(home), "OMP_NUM_THREADS": "1", "WANDB_DIR": str(folder), **more}


def start(folder: Path, *command: object, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=environment(folder, **more), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-3000:]
    return done


def quickstart(folder: Path, **more: str) -> str:
    command = (ROOT / "launch" / "quickstart.py", "--smoke", "--runs_dir", folder / "runs")
    return start(folder, *command, ONDO_CACHE=str(folder), **more).stderr


def check_arrived(server: FakeWandb, folder: Path) -> None:
    """Every run of a smoke quickstart is there, in its place in the graph, with its tables and its last figures."""
    (group,) = (path.name for path in (folder / "runs").glob("quickstart-*"))
    runs = {run.id: run for run in server.runs.values()}
    sft, dpo = newest_run("sft", folder / "runs"), newest_run("dpo", folder / "runs")
    base = newest_run("base", folder / "runs")
    evaluations = [f"eval-test-mini-{run.id}" for run in (base, sft, dpo)]
    data, pairs, report = f"data-{group}", f"pairs-{group}", f"report-{group}"
    types = {run.id: run.attributes["jobType"] for run in runs.values()}
    expected = {data: "data", pairs: "pairs", report: "eval", sft.id: "sft", dpo.id: "dpo"}
    assert types == expected | dict.fromkeys(evaluations, "eval")
    assert {run.attributes["groupName"] for run in runs.values()} == {group}
    assert runs[dpo.id].attributes["tags"][:2] == ["tiny-random", "tiny-random/dpo"]
    assert all(run.exit_code == 0 for run in runs.values())

    assert {
        (data, "examples", sft.id),
        (sft.id, "sft-adapter", pairs),
        (pairs, "pairs", dpo.id),
        (sft.id, "sft-adapter", dpo.id),
        (dpo.id, "dpo-adapter", evaluations[2]),
        (evaluations[2], "evaluation-test-mini", report),
    } <= server.edges()
    assert all(server.check_files(one) for one in server.artifacts.values())
    manifest = dpo.manifest["lineage"]["outputs"][0]
    assert json.loads(server.artifact("dpo-adapter").metadata)["sha256"] == manifest["digest"]
    assert not [path for run in server.artifacts.values() for path in run.files if path == "README.md"]

    tables = {"notices", "failures"}
    assert {key.removeprefix("tables/") for key in runs[evaluations[1]].summary if key.startswith("tables/")} == tables
    table = next(body for name, body in runs[report].files.items() if "side_by_side" in name)
    content = json.loads(table)
    assert content["columns"][2:5] == ["base notice", "base passed", "base fails"]
    assert len(content["data"]) == 16
    assert any(name.startswith("media/images/plots/map") for name in runs[evaluations[0]].files)

    for run in (sft, dpo):
        summary = runs[run.id].summary
        judged = json.loads((run.eval / "test-mini.json").read_text(encoding="utf-8"))["records"]
        passed = [answer["verdict"]["rules"]["label"]["passed"] for record in judged for answer in record["answers"]]
        assert summary["final/test-mini/label/pass_rate"] == pytest.approx(sum(passed) / len(passed))
        assert summary["final/test-mini/readings"] == 16
        assert {"final/train/loss", "final/validation/overall", "final/perf/items_per_s"} <= summary.keys()
        lines = [line for line in runs[run.id].history if "train/loss" in line]
        assert [line["train/global_step"] for line in lines] == [1, 2, 3, 4, 5, 6]
        assert {"perf/items_per_s", "perf/tokens_per_s", "perf/peak_memory"} <= lines[0].keys()
    keys = {key for line in runs[dpo.id].history for key in line}
    assert "dpo/chosen_logp_shift" in keys
    assert any(key.startswith("dpo/margin/") for key in keys)
    assert not [key for key in keys if key.startswith("train/dpo")]


def test_online_everything_arrives_as_it_is_made(
    server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, value in {**server.environment, "WANDB_DIR": str(tmp_path), "ONDO_CACHE": str(tmp_path)}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("models.tracking.run._said", set())
    wandb.teardown()
    plan = Plan(recipes=Path("launch/recipes/tiny-random"), limit=16, remarks=())
    try:
        open_pipeline(plan, tmp_path / "runs", new=True, root=ROOT).run()
    finally:
        wandb.teardown()
    told = capsys.readouterr().err
    assert told.count("W&B is online: a W&B key was found") == 1
    assert "W&B failed" not in told
    check_arrived(server, tmp_path)


def test_offline_everything_arrives_with_one_command(server: FakeWandb, tmp_path: Path) -> None:
    told = quickstart(tmp_path)
    assert told.count("W&B is offline: no W&B key was found") == 1
    assert told.count(f"python launch/sync.py {tmp_path / 'wandb'}") == 1
    assert "W&B failed" not in told
    refused = start(tmp_path, SYNC, code=2)
    assert "no W&B key was found" in refused.stderr
    sent = start(tmp_path, SYNC, **server.environment)
    assert "arrived: 8 runs" in sent.stdout
    check_arrived(server, tmp_path)
    assert start(tmp_path, SYNC, **server.environment).stdout == "nothing to send\n"

    # Sent once more, with a file gone: named, not sent, and the exit code says so.
    (newest_run("sft", tmp_path / "runs").adapter / "adapter_model.safetensors").unlink()
    dry = start(tmp_path, SYNC, "--again", "--dry_run", code=1)
    assert "adapter_model.safetensors is gone" in dry.stdout


def test_what_the_server_refuses_is_named_though_w_and_b_says_finished(server: FakeWandb, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from models.tracking.lineage import node\n"
        "from models.tracking.run import start_tracking, finish_tracking\n"
        "Path('pairs.jsonl').write_text('x')\n"
        "run = start_tracking('pairs-1', 'pairs', {})\n"
        "run.put_out(node('pairs', 'pairs', 'dataset', Path('pairs.jsonl')))\n"
        "finish_tracking(run)\n"
    )
    start(tmp_path, "-c", code)
    server.refuse = ("pairs.jsonl",)
    done = start(tmp_path, SYNC, "--arrival", "2", code=1, **server.environment)
    assert "lost: pairs-1: artifact pairs" in done.stderr
    assert "has not arrived" in done.stderr


def test_a_run_that_was_killed_and_resumed_is_one_run_with_one_curve(
    server: FakeWandb, tmp_path: Path, chat_files: tuple[Path, Path]
) -> None:
    train, validation = chat_files
    runs = tmp_path / "runs"
    command = [
        sys.executable, ROOT / "launch" / "sft.py", "--config", RECIPES / "sft.yaml", "--train_file", train,
        "--validation_file", validation, "--runs_dir", runs, "--max_steps", "100000", "--save_steps", "40",
        "--eval_steps", "40", "--generate_validation", "false", "--logging_steps", "1",
    ]  # fmt: skip
    with subprocess.Popen(
        list(map(str, command)), cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as killed:  # fmt: skip
        try:
            wait_for(runs)
        finally:
            killed.send_signal(signal.SIGKILL)
    run = only_run_of("sft", runs)
    assert not run.finished
    # The recipe of the run that was killed, with an end in sight.
    recipe, manifest = run.recipe_file, run.path / "unfinished.json"
    steps = max(int(path.name.split("-")[1]) for path in run.checkpoints.glob("checkpoint-*")) + 6
    recipe.write_text(recipe.read_text().replace("100000", str(steps)))
    content = json.loads(manifest.read_text())
    content["recipe"]["max_steps"] = steps
    manifest.write_text(json.dumps(content))
    start(tmp_path, ROOT / "launch" / "sft.py", "--resume", run.path)
    assert Run(run.path).finished

    start(tmp_path, SYNC, **server.environment)
    (arrived,) = (one for one in server.runs.values() if one.attributes["jobType"] == "sft")
    assert arrived.id == run.id
    assert arrived.exit_code == 0
    curve = [(line["train/global_step"], line["train/loss"]) for line in arrived.history if "train/loss" in line]
    history = json.loads((run.path / "history.json").read_text())
    told = [(line["step"], line["loss"]) for line in history if "loss" in line]
    assert [step for step, _ in curve] == list(range(1, steps + 1))
    assert dict(curve) == pytest.approx(dict(told))


def wait_for(runs: Path) -> None:
    """Until a checkpoint stands and W&B's file has grown past it."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if list(runs.glob("sft-*/checkpoints/checkpoint-*/trainer_state.json")):
            time.sleep(3)  # offline lines are written every two seconds
            return
        time.sleep(0.1)
    raise AssertionError("no checkpoint")
