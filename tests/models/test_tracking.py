"""W&B never asks, never waits for a network that is not there, and never ends a training."""

import json
import socket
from types import SimpleNamespace

import pytest
import wandb
from transformers import TrainerCallback, TrainerControl, TrainerState

from models.runs import create_run
from models.tracking import mode as mode_module
from models.tracking import run as run_module
from models.tracking.lineage import node
from models.tracking.metrics import TrackingCallback
from models.tracking.mode import check_mode, resolve_mode
from models.tracking.run import CONFIG_KEY, Tracking, described, finish_tracking, start_tracking, tell_how_to_send

KEY = "0" * 40


@pytest.fixture
def run(tmp_path):
    return create_run("sft", {"seed": 1}, runs_dir=tmp_path / "runs")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with no key, no W&B settings, an empty home, and no way out: connecting anywhere fails the test."""
    for name in ("MODE", "API_KEY", "BASE_URL", "PROJECT", "ENTITY", "RUN_GROUP", "SWEEP_ID"):
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
        start_tracking(run, {})
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
    assert tried == [(("wandb.invalid", 8080), tracking.CONNECT_TIMEOUT)]
    resolve_mode("auto", environment | {"WANDB_BASE_URL": "https://wandb.invalid"})
    assert tried[1][0] == ("wandb.invalid", 443)


def test_a_key_and_a_host_that_answers_mean_online():
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert resolve_mode("auto", {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": host}) == ("online", "a W&B key was found")


def test_an_offline_run_is_described_its_files_are_there_and_home_stays_clean(run, bare, tmp_path, capsys):
    found = start_tracking(run, {"seed": 1, "lineage": {"data": "x"}}, group="g", tags=("tiny-random", "sft"))
    assert (found.mode, found.report_to) == ("offline", ["wandb"])
    assert found.wandb_run.config[CONFIG_KEY] == {"seed": 1, "lineage": {"data": "x"}}
    assert {key for key in dict(found.wandb_run.config) if key[0] != "_"} == {CONFIG_KEY}
    assert (found.wandb_run.id, found.wandb_run.name, found.wandb_run.group) == (run.id, run.id, "g")
    assert (found.wandb_run.job_type, found.wandb_run.project) == ("sft", "ondo")
    found.wandb_run.log({"a": 1.0})
    folder = found.folder
    assert run.manifest["wandb"] == described(found)
    finish_tracking(found)
    told = run.manifest["wandb"]
    assert (told["mode"], told["reason"], told["url"]) == ("offline", "no W&B key was found", None)
    assert told["folder"] == str(folder)
    assert folder.is_relative_to(tmp_path / "wandb")
    wandb.teardown()  # W&B writes the rest when its service ends
    (data,) = folder.glob("run-*.wandb")
    assert data.stat().st_size > 100
    printed = capsys.readouterr().err
    assert "W&B is offline: no W&B key was found" in printed
    assert f"wandb sync {folder}" in printed
    # W&B's own log files are all that it puts into the home folder
    files = [path for path in bare.rglob("*") if path.is_file()]
    assert all(path.suffix == ".log" and path.parent.name == "logs" for path in files)


def test_disabled_makes_no_run_and_no_file(run, tmp_path):
    found = start_tracking(run, {}, wanted="disabled")
    assert (found.mode, found.report_to, found.folder) == ("disabled", [], None)
    finish_tracking(found)
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize(
    "trouble", [wandb.errors.CommError("no route"), OSError(28, "No space left on device"), RuntimeError("broken pipe")]
)
def test_when_online_cannot_start_offline_is_tried(trouble, run, monkeypatch, capsys):
    tried = []

    def init(mode, **_):
        tried.append(mode)
        if mode == "online":
            raise trouble
        return SimpleNamespace(id="x", url=None, settings=SimpleNamespace(sync_dir="there"))

    monkeypatch.setattr(wandb, "init", init)
    found = start_tracking(run, {}, wanted="online")
    assert tried == ["online", "offline"]
    assert found.mode == "offline"
    assert run.manifest["wandb"]["folder"] == "there"
    assert str(trouble) in run.manifest["wandb"]["reason"]
    assert "W&B could not start" in capsys.readouterr().err


def test_when_nothing_can_start_the_training_goes_on_without(run, monkeypatch):
    def init(**_):
        raise RuntimeError("no service")

    monkeypatch.setattr(wandb, "init", init)
    found = start_tracking(run, {}, wanted="online")
    assert (found.mode, found.report_to) == ("disabled", [])
    assert run.manifest["wandb"]["reason"] == "W&B could not start: no service"
    finish_tracking(found)


def test_a_finish_that_raises_is_told_with_the_folder(capsys):
    def finish(exit_code):
        raise RuntimeError("service is gone")

    found = Tracking("offline", "", SimpleNamespace(settings=SimpleNamespace(sync_dir="there"), finish=finish))
    finish_tracking(found, failed=True)
    assert "W&B could not finish (service is gone); its files are in there" in capsys.readouterr().err
    assert found.wandb_run is None


class _Broken(TrainerCallback):
    def __init__(self):
        self.calls = 0

    def on_log(self, *_args, **_kwargs):
        self.calls += 1
        raise RuntimeError("service is gone")


def test_a_log_that_raises_is_told_once_and_the_training_goes_on(monkeypatch, capsys):
    broken = _Broken()
    monkeypatch.setattr("transformers.integrations.WandbCallback", lambda: broken)
    callback = trainer_callback()
    for _ in range(3):
        callback.on_log(None, TrainerState(), TrainerControl(), logs={"loss": 1.0})
    assert broken.calls == 1
    assert capsys.readouterr().err.count("W&B failed (service is gone); the training goes on without it") == 1


def test_what_is_recorded_is_json(run):
    start_tracking(run, {}, wanted="disabled")
    assert json.loads(json.dumps(described(Tracking("disabled", "as the recipe says"))))["folder"] is None
