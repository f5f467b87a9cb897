"""The one place that owns W&B: which mode, why, and that its trouble never ends a training.

A mode comes from the recipe, else from ``WANDB_MODE``, else from what is found: a key (environment, W&B's own login,
netrc; never asked for) and a host that answers mean online, anything else offline. Left to itself W&B raises without a
key, asks at a terminal, and waits without bound for a network; see https://docs.wandb.ai on ``WANDB_MODE``.
"""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from transformers import TrainerCallback

from models.arguments import TrackingMode
from models.runs import Run

CONFIG_KEY = "ondo"
"""Our configuration stands under one key, because the trainer's callback writes its own flat ones over others."""

INIT_TIMEOUT, FINISH_TIMEOUT, CONNECT_TIMEOUT = 30.0, 60.0, 4.0
"""Seconds to wait for W&B at the start, at the end, and for the first answer of its host."""

_MODES = ("online", "offline", "disabled")


@dataclass
class Tracking:
    """A W&B run, or none; ``reason`` says in a few words why the mode is what it is."""

    mode: str
    reason: str
    wandb_run: Any = None

    @property
    def report_to(self) -> list[str]:
        """What transformers' ``report_to`` takes."""
        return ["wandb"] if self.wandb_run is not None else []

    @property
    def folder(self) -> Path | None:
        """Where W&B keeps this run's files."""
        return None if self.wandb_run is None else Path(self.wandb_run.settings.sync_dir)


def resolve_mode(wanted: TrackingMode, environment: Mapping[str, str]) -> tuple[str, str]:
    """The mode and the reason for it.

    Raises:
        ValueError: ``WANDB_MODE`` is no mode.
    """
    if wanted != "auto":
        return wanted, "as the recipe says"
    said = check_mode(environment)
    if said:
        return said, "as WANDB_MODE says"
    host = environment.get("WANDB_BASE_URL") or _default_host()
    if not _has_key(host, environment):
        return "offline", "no W&B key was found"
    if not _answers(host):
        return "offline", f"{host} does not answer"
    return "online", "a W&B key was found"


def check_mode(environment: Mapping[str, str]) -> str | None:
    """What ``WANDB_MODE`` says, if anything.

    Raises:
        ValueError: it is no mode.
    """
    said = environment.get("WANDB_MODE", "").strip().lower()
    said = {"run": "online", "dryrun": "offline"}.get(said, said)
    if said and said not in _MODES:
        raise ValueError(f"WANDB_MODE is {said!r}: expected one of {', '.join(_MODES)}")
    return said or None


def start_tracking(
    run: Run,
    settings: Mapping[str, Any],
    *,
    wanted: TrackingMode = "auto",
    group: str | None = None,
    tags: tuple[str, ...] = (),
) -> Tracking:
    """Begin (or go on with) the W&B run of a run directory; never asks, never raises for W&B's own troubles.

    Args:
        run: its stage is the job type, its id the name and, W&B allowing, the W&B id.
        settings: the resolved recipe and what else the run is made from.
        wanted: see :func:`resolve_mode`.
        group: name that runs of one pipeline share; the run's own id when None.
        tags: base model, recipe.

    Raises:
        ValueError: ``WANDB_MODE`` is no mode.
    """
    mode, reason = resolve_mode(wanted, os.environ)
    tracking = Tracking(mode, reason)
    if mode == "disabled":
        return tracking
    import wandb

    # W&B sends what its own library does and crashes on; nobody asked for that.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    options: dict[str, Any] = {
        "project": os.environ.get("WANDB_PROJECT") or "ondo",
        "entity": os.environ.get("WANDB_ENTITY") or None,
        "name": run.id,
        "id": run.id,
        "resume": "allow",
        "group": os.environ.get("WANDB_RUN_GROUP") or group or run.id,
        "job_type": run.stage,
        "tags": [tag[:64] for tag in tags],
        "config": {CONFIG_KEY: dict(settings)},
        "dir": os.environ.get("WANDB_DIR") or None,
    }
    if os.environ.get("WANDB_SWEEP_ID"):
        options.pop("id")  # the sweep agent gives the id
    for attempt in (mode, "offline"):
        try:
            tracking.wandb_run = wandb.init(
                mode=attempt,  # type: ignore[arg-type] # one of _MODES
                settings=wandb.Settings(
                    init_timeout=INIT_TIMEOUT, finish_timeout=FINISH_TIMEOUT, silent=True, console="off"
                ),
                **options,
            )
        except Exception as error:  # noqa: BLE001 - whatever ails W&B, the training goes on
            wandb.teardown()
            tracking.reason = f"W&B could not start: {' '.join(str(error).split())}"
            tracking.mode = "offline" if attempt != "offline" else "disabled"
            continue
        break
    _say(tracking)
    run.record(wandb=described(tracking))
    return tracking


def described(tracking: Tracking) -> dict[str, Any]:
    """What a manifest holds about the W&B run: mode, reason, id and where its files lie."""
    wandb_run = tracking.wandb_run
    return {
        "mode": tracking.mode,
        "reason": tracking.reason,
        "id": None if wandb_run is None else wandb_run.id,
        "url": wandb_run.url if wandb_run is not None and tracking.mode == "online" else None,
        "folder": None if tracking.folder is None else str(tracking.folder),
    }


def finish_tracking(tracking: Tracking, *, failed: bool = False) -> None:
    """Close the W&B run and print, once, how to send an offline one."""
    if tracking.wandb_run is None:
        return
    folder = tracking.folder
    try:
        tracking.wandb_run.finish(exit_code=1 if failed else 0)
    except Exception as error:  # noqa: BLE001 - see start_tracking
        print(f"ondo: W&B could not finish ({error}); its files are in {folder}", file=sys.stderr)
    if tracking.mode == "offline":
        print(f"ondo: to send this run to W&B: wandb sync {folder}", file=sys.stderr)
    tracking.wandb_run = None


def trainer_callback() -> TrainerCallback:
    """transformers' W&B callback, which takes the W&B run that is already there; a failure in it is told, once."""
    from transformers.integrations import WandbCallback

    return _Guarded(WandbCallback())


class _Guarded(TrainerCallback):
    """Hands the events W&B's callback knows on to it, until one fails."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._hand_on("on_train_begin", args, state, control, more)

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._hand_on("on_log", args, state, control, more)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._hand_on("on_save", args, state, control, more)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._hand_on("on_train_end", args, state, control, more)

    def _hand_on(self, event: str, args: Any, state: Any, control: Any, more: dict[str, Any]) -> None:
        if self._inner is None:
            return
        try:
            getattr(self._inner, event)(args, state, control, **more)
        except Exception as error:  # noqa: BLE001 - see start_tracking
            self._inner = None
            print(f"ondo: W&B failed ({error}); the training goes on without it", file=sys.stderr)


def _say(tracking: Tracking) -> None:
    print(f"ondo: W&B is {tracking.mode}: {tracking.reason}", file=sys.stderr)


def _default_host() -> str:
    import wandb

    return str(wandb.setup().settings.base_url)


def _has_key(host: str, environment: Mapping[str, str]) -> bool:
    if environment.get("WANDB_API_KEY"):
        return True
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib import wbauth

    try:
        return wbauth.authenticate_session(host=host, source="ondo", prompt=False, update_session=False) is not None
    except AuthenticationError as error:
        print(f"ondo: the W&B key that was found is not usable: {error}", file=sys.stderr)
        return False


def _answers(host: str) -> bool:
    parts = urlsplit(host if "//" in host else f"https://{host}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=CONNECT_TIMEOUT):
            return True
    except OSError:
        return False
