"""W&B never asks, never waits for a network that is not there, and never ends a training."""

import json
import socket
from threading import Event
from types import SimpleNamespace

import pytest
import wandb

from models.runs import create_run
from models.tracking import mode as mode_module
from models.tracking import run as run_module
from models.tracking.lineage import node
from models.tracking.mode import check_mode, resolve_mode
from models.tracking.run import (
    CONFIG_KEY,
    Tracking,
    described,
    finish_tracking,
    start_tracking,
    tell_how_to_send,
    tracked_config,
    within,
)
from models.tracking.send import logged_artifacts, missing_files
from sft.train import run_sft
from tests.stage_cases import sft_settings

KEY = "0" * 40


@pytest.fixture
def run(tmp_path):
    return create_run("sft", {"seed": 1}, runs_dir=tmp_path / "runs")


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch):
    monkeypatch.setattr(run_module, "_said", set())
    monkeypatch.setattr(run_module, "_unsent", [])


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with no key, no W&B settings, an empty home, and no way out: connecting anywhere fails the test."""
    for name in ("MODE", "API_KEY", "BASE_URL", "PROJECT", "ENTITY", "RUN_GROUP", "SWEEP_ID", "DATA_DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "config"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the terminal"))

    def connect(*_args, **_kwargs):
        pytest.fail("connected to a network")

    monkeypatch.setattr(socket, "create_connection", connect)
    yield home
    wandb.teardown()


@pytest.mark.parametrize("wanted", ["online", "offline", "disabled"])
def test_the_recipe_wins_over_everything(wanted):
    assert resolve_mode(wanted, {"WANDB_MODE": "bogus", "WANDB_API_KEY": KEY}) == (wanted, "as the recipe says")


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ("offline", "offline"),
        (" Disabled ", "disabled"),
        ("online", "online"),
        ("dryrun", "offline"),
        ("run", "online"),
    ],
)
def test_wandb_mode_wins_over_what_is_found(said, mode, bare):
    assert resolve_mode("auto", {"WANDB_MODE": said, "WANDB_API_KEY": KEY}) == (mode, "as WANDB_MODE says")


def test_a_bogus_wandb_mode_is_a_clear_error(run, monkeypatch):
    told = "WANDB_MODE is 'bogus': expected one of online, offline, disabled"
    with pytest.raises(ValueError, match=told):
        check_mode({"WANDB_MODE": "bogus"})
    monkeypatch.setenv("WANDB_MODE", "bogus")
    with pytest.raises(ValueError, match=told):
        start_tracking(run.id, "sft", {})
    assert check_mode({}) is None


def test_without_a_key_the_mode_is_offline_and_nothing_is_connected_to(bare):
    assert resolve_mode("auto", {}) == ("offline", "no W&B key was found")


def test_a_key_and_a_host_that_does_not_answer_mean_offline(monkeypatch):
    tried = []

    def refuse(address, timeout):
        tried.append((address, timeout))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    environment = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://wandb.invalid:8080"}
    assert resolve_mode("auto", environment) == ("offline", "http://wandb.invalid:8080 does not answer")
    assert tried == [(("wandb.invalid", 8080), mode_module.CONNECT_TIMEOUT)]
    resolve_mode("auto", environment | {"WANDB_BASE_URL": "https://wandb.invalid"})
    assert tried[1][0] == ("wandb.invalid", 443)


def test_a_key_and_a_host_that_answers_mean_online():
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert resolve_mode("auto", {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": host}) == ("online", "a W&B key was found")


def test_an_offline_run_has_its_names_its_files_are_there_and_home_stays_clean(run, bare, tmp_path, capsys):
    found = start_tracking(run.id, "sft", {"seed": 1}, group="g", tags=("tiny-random", "", "tiny-random/sft"))
    sent = found.wandb_run
    assert found.mode == "offline"
    assert sent.config[CONFIG_KEY] == {"seed": 1}
    assert {key for key in dict(sent.config) if key[0] != "_"} == {CONFIG_KEY}
    assert (sent.id, sent.name, sent.group, sent.job_type, sent.project) == (run.id, run.id, "g", "sft", "ondo")
    assert sent.tags == ("tiny-random", "tiny-random/sft")
    found.log({"a": 1.0}, 3)
    found.table("notices", ["a"], [[1]])
    folder, told = found.folder, described(found)
    assert (told["mode"], told["reason"], told["url"]) == ("offline", "no W&B key was found", None)
    assert (told["id"], told["folder"]) == (run.id, str(folder))
    finish_tracking(found)
    assert folder.is_relative_to(tmp_path / "wandb")
    wandb.teardown()  # W&B writes the rest when its service ends
    (data,) = folder.glob("run-*.wandb")
    assert data.stat().st_size > 100
    tell_how_to_send()
    tell_how_to_send()
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "ondo: W&B is offline: no W&B key was found",
        f"ondo: to send what lies offline to W&B: python launch/sync.py {folder}",
    ]
    # W&B's own log files are all that it puts into the home folder; copies of tables lie beside the runs.
    files = [path for path in bare.rglob("*") if path.is_file()]
    assert all(path.suffix == ".log" and path.parent.name == "logs" for path in files)
    assert any((tmp_path / "wandb" / "artifacts").rglob("*"))


def test_several_offline_runs_are_told_of_once_with_one_command(bare, tmp_path, capsys):
    for name in ("data-1", "sft-1"):
        finish_tracking(start_tracking(name, "data", {}))
    tell_how_to_send()
    printed = capsys.readouterr().err
    assert printed.count("W&B is offline") == 1
    assert printed.count("launch/sync.py") == 1
    assert f"python launch/sync.py {tmp_path / 'wandb'}\n" in printed


def test_outputs_are_logged_by_content_without_a_copy(bare, tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("x")
    pairs = node("pairs", "pairs", "dataset", file)
    found = start_tracking("pairs-1", "pairs", {})
    found.take_in(pairs)  # W&B would raise offline
    found.put_out(pairs)
    folder = found.folder
    finish_tracking(found)
    wandb.teardown()
    (logged,) = logged_artifacts(folder)
    assert (logged.name, logged.alias) == ("pairs", pairs.alias)
    assert [path for path, _ in logged.files] == [file]
    assert missing_files(folder) == []
    file.write_text("y")
    assert missing_files(folder) == [f"{folder.name}: artifact pairs: {file} has changed since it was logged"]
    file.unlink()
    assert missing_files(folder) == [f"{folder.name}: artifact pairs: {file} is gone"]


def test_disabled_makes_no_run_and_no_file(tmp_path):
    found = start_tracking("sft-1", "sft", {}, wanted="disabled")
    assert (found.mode, found.folder) == ("disabled", None)
    found.log({"a": 1.0}, 1)
    found.table("notices", ["a"], [[1]])
    finish_tracking(found)
    assert not (tmp_path / "wandb").exists()
    assert json.loads(json.dumps(described(found)))["folder"] is None


@pytest.mark.parametrize(
    "trouble", [wandb.errors.CommError("no route"), OSError(28, "No space left on device"), RuntimeError("broken pipe")]
)
def test_when_online_cannot_start_offline_is_tried(trouble, monkeypatch, capsys):
    tried = []

    def init(mode, **_):
        tried.append(mode)
        if mode == "online":
            raise trouble
        return SimpleNamespace(id="x", url=None, settings=SimpleNamespace(sync_dir="there"))

    monkeypatch.setattr(wandb, "init", init)
    found = start_tracking("sft-1", "sft", {}, wanted="online")
    assert tried == ["online", "offline"]
    assert (found.mode, described(found)["folder"]) == ("offline", "there")
    assert str(trouble) in found.reason
    assert "W&B is offline: W&B could not start" in capsys.readouterr().err


def test_when_nothing_can_start_the_work_goes_on_without(monkeypatch):
    def init(**_):
        raise RuntimeError("no service")

    monkeypatch.setattr(wandb, "init", init)
    found = start_tracking("sft-1", "sft", {}, wanted="online")
    assert (found.mode, found.reason) == ("disabled", "W&B could not start: no service")
    finish_tracking(found)


def test_a_sweeps_agent_gives_the_id(monkeypatch):
    seen = {}

    def init(**options):
        seen.update(options)
        return SimpleNamespace(id="x", url=None, settings=SimpleNamespace(sync_dir="there"))

    monkeypatch.setattr(wandb, "init", init)
    start_tracking("sft-1", "sft", {}, wanted="offline")
    assert (seen["id"], seen["resume"]) == ("sft-1", "allow")
    seen.clear()
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    start_tracking("sft-1", "sft", {}, wanted="offline")
    assert "id" not in seen
    assert seen["name"] == "sft-1"


def test_a_finish_that_raises_is_told_with_the_folder(monkeypatch, capsys):
    def finish(exit_code):
        raise RuntimeError("service is gone")

    found = Tracking("offline", "", SimpleNamespace(settings=SimpleNamespace(sync_dir="there"), finish=finish))
    finish_tracking(found, failed=True)
    assert "W&B could not finish (service is gone); its files are in there" in capsys.readouterr().err
    assert found.wandb_run is None


class Broken:
    """A W&B run whose service is gone."""

    def __init__(self):
        self.calls = 0

    def __getattr__(self, name):
        self.calls += 1
        raise RuntimeError("service is gone")


def test_each_trouble_is_told_once_and_the_work_goes_on(tmp_path, capsys):
    file = tmp_path / "pairs.jsonl"
    file.write_text("x")
    broken = Broken()
    found = Tracking("online", "", broken)
    for step in range(3):
        found.log({"a": 1.0}, step)
    assert broken.calls == 1
    pairs = node("pairs", "pairs", "dataset", file)
    found.take_in(pairs)
    found.conclude({"final/overall": 1.0})
    printed = capsys.readouterr().err
    assert printed.count("W&B failed at metrics (service is gone); the work goes on without it") == 1
    assert "W&B failed at the artifact pairs" in printed
    assert "W&B failed at the summary" in printed


def test_a_wait_without_bound_is_bounded():
    with pytest.raises(TimeoutError, match="no answer within"):
        within(0.05, Event().wait)
    with pytest.raises(KeyError):
        within(5, lambda: {}["a"])
    assert within(5, lambda: 3) == 3


def test_what_w_and_b_is_told_of_a_run_has_no_command_line():
    told = tracked_config({"run": "sft-1", "command": ["sft.py", "--hub_token", "secret"], "wandb": {}, "seed": 1})
    assert told == {"run": "sft-1", "seed": 1}


def test_w_and_b_fails_and_the_training_ends_well(chat_files, tmp_path, monkeypatch, capsys):
    """Every call to a live W&B run fails; the run is finished all the same."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", lambda **_: Failing())
    made = run_sft(sft_settings(chat_files, tmp_path / "runs"))
    assert made.finished
    assert made.manifest["training"]["steps"] == 6
    assert "W&B failed at metrics" in capsys.readouterr().err


class Failing:
    """A run that has its attributes and whose every method raises."""

    id, url, settings = "x", None, SimpleNamespace(sync_dir="there")

    def __getattr__(self, name):
        raise RuntimeError("service is gone")
