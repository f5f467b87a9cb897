"""A W&B run from start to end, whose troubles are told and never end what is tracked.

Everything that goes to W&B goes through a :class:`Tracking`. It never asks, waits a bounded time, and where W&B raises
it says so once and the work goes on.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from models.arguments import TrackingMode
from models.tracking.lineage import Node
from models.tracking.mode import resolve_mode
from models.wandb_files import STEP, find_offline, last_per_step

CONFIG_KEY = "ondo"
"""Our configuration stands under one key, so that nothing else can write over it."""

INIT_TIMEOUT, FINISH_TIMEOUT, ARTIFACT_TIMEOUT = 30.0, 120.0, 60.0
"""Seconds to wait for W&B at the start, at the end, and for an artifact that a run takes in."""

FLUSH_SECONDS = 2.0
"""So often offline files are written; a killed run loses no more than that. W&B's own default is 15."""

_unsent: list[Path] = []
_said: set[str] = set()


@dataclass
class Tracking:
    """A W&B run, or none; ``reason`` says in a few words why the mode is what it is."""

    mode: str
    reason: str
    wandb_run: Any = None
    _failed: set[str] = field(default_factory=set)
    _defined: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path | None:
        """Where W&B keeps this run's files."""
        return None if self.wandb_run is None else Path(self.wandb_run.settings.sync_dir)

    def known_step(self) -> float:
        """The trainer's last step that W&B has of this run from before it was interrupted; 0 when there is none."""
        known = [0.0]

        def look(run: Any) -> None:
            if self.mode == "online":
                known.append(run.summary.get(STEP) or 0)
            elif self.folder is not None:
                before = find_offline(self.folder.parent, run.id).get(run.id)
                known.extend(line["step"] for line in ([] if before is None else last_per_step(before)))

        self.attempt("what was logged before", look)
        return max(known)

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """A line of metrics under the names they shall have in W&B, at a step of the trainer."""

        def work(run: Any) -> None:
            for key in metrics.keys() - self._defined:
                # By exact name: of several patterns that fit, W&B takes any.
                run.define_metric(key, step_metric=STEP)
                self._defined.add(key)
            run.log({**metrics, **({} if step is None else {STEP: step})})

        self.attempt("metrics", work)

    def conclude(self, values: Mapping[str, Any]) -> None:
        """Entries of the run's summary."""
        self.attempt("the summary", lambda run: run.summary.update(dict(values)))

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table under ``tables/<key>``."""
        import wandb

        self.attempt(
            f"the table {key}",
            lambda run: run.log(
                {f"tables/{key}": wandb.Table(columns=list(columns), data=[list(row) for row in rows])}
            ),
        )

    def image(self, key: str, path: Path) -> None:
        """A picture under ``plots/<key>``."""
        import wandb

        self.attempt(f"the picture {key}", lambda run: run.log({f"plots/{key}": wandb.Image(str(path))}))

    def put_out(self, node: Node) -> None:
        """Log what the run made as an artifact, with its digest as alias and no second copy of its files."""
        if node.files:
            self.attempt(
                f"the artifact {node.name}",
                lambda run: run.log_artifact(artifact(node), aliases=["latest", node.alias]),
            )

    def take_in(self, node: Node) -> None:
        """Declare what the run was made from. Offline W&B cannot; the configuration then holds the digest."""
        if self.mode == "online" and node.files:
            self.attempt(
                f"the artifact {node.name}",
                lambda run: within(
                    ARTIFACT_TIMEOUT, lambda: run.use_artifact(artifact(node), aliases=["latest", node.alias])
                ),
            )

    def attempt(self, what: str, work: Callable[[Any], Any]) -> None:
        """Do something with the W&B run, if there is one; a failure is told, and the same is not tried again."""
        if self.wandb_run is None or what in self._failed:
            return
        try:
            work(self.wandb_run)
        except Exception as error:  # noqa: BLE001 - whatever ails W&B, the work goes on
            self._failed.add(what)
            print(f"ondo: W&B failed at {what} ({_line(error)}); the work goes on without it", file=sys.stderr)


def start_tracking(
    run_id: str,
    job_type: str,
    config: Mapping[str, Any],
    *,
    wanted: TrackingMode = "auto",
    group: str | None = None,
    tags: Sequence[str] = (),
) -> Tracking:
    """Begin a W&B run, or go on with the one of this id.

    Args:
        run_id: a name that a person can read; W&B's id and name alike.
        job_type: ``data``, ``sft``, ``pairs``, ``dpo`` or ``eval``.
        config: what the run is made from; stands under :data:`CONFIG_KEY`.
        wanted: see :func:`models.tracking.mode.resolve_mode`.
        group: name that runs of one pipeline share; the run's own id when None.
        tags: base model, recipe, prompt style.

    Raises:
        ValueError: ``WANDB_MODE`` is no mode.
    """
    mode, reason = resolve_mode(wanted, os.environ)
    tracking = Tracking(mode, reason)
    if mode == "disabled":
        return tracking
    import wandb

    folder = os.environ.get("WANDB_DIR") or "."
    # Tables are copied before they are sent; the copies belong beside the runs, not into the home folder.
    os.environ.setdefault("WANDB_DATA_DIR", str(Path(folder).resolve() / "wandb"))
    # W&B sends what its own library does and crashes on; nobody asked for that.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    options: dict[str, Any] = {
        "project": project(),
        "entity": os.environ.get("WANDB_ENTITY") or None,
        "name": run_id,
        "id": run_id,
        "resume": "allow",
        "group": os.environ.get("WANDB_RUN_GROUP") or group or run_id,
        "job_type": job_type,
        "tags": [tag[:64] for tag in tags if tag],
        "config": {CONFIG_KEY: dict(config)},
        "dir": folder,
    }
    if os.environ.get("WANDB_SWEEP_ID"):
        options.pop("id")  # the sweep's agent gives the id
    for attempt in (mode, "offline"):
        try:
            tracking.wandb_run = wandb.init(
                mode=attempt,  # type: ignore[arg-type] # one of W&B's modes
                settings=wandb.Settings(
                    init_timeout=INIT_TIMEOUT,
                    finish_timeout=FINISH_TIMEOUT,
                    x_transaction_log_flush_interval=FLUSH_SECONDS,
                    silent=True,
                    console="off",
                ),
                **options,
            )
        except Exception as error:  # noqa: BLE001 - whatever ails W&B, the work goes on
            wandb.teardown()
            tracking.reason = f"W&B could not start: {_line(error)}"
            tracking.mode = "offline" if attempt != "offline" else "disabled"
            continue
        break
    _say_once(f"ondo: W&B is {tracking.mode}: {tracking.reason}")
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
    """Close the W&B run; :func:`tell_how_to_send` speaks of an offline one."""
    if tracking.wandb_run is None:
        return
    folder = tracking.folder
    try:
        tracking.wandb_run.finish(exit_code=1 if failed else 0)
    except Exception as error:  # noqa: BLE001 - see start_tracking
        print(f"ondo: W&B could not finish ({_line(error)}); its files are in {folder}", file=sys.stderr)
    if tracking.mode == "offline" and folder is not None:
        _unsent.append(folder)
    tracking.wandb_run = None


def tell_how_to_send() -> None:
    """Say once how what lies offline gets to W&B; nothing when all was sent or nothing was tracked."""
    if not _unsent:
        return
    what = str(_unsent[0]) if len(_unsent) == 1 else " ".join(sorted({str(folder.parent) for folder in _unsent}))
    print(f"ondo: to send what lies offline to W&B: python launch/sync.py {what}", file=sys.stderr)
    _unsent.clear()


def tracked_config(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B is told of a run: its manifest without the command line, which may hold a token."""
    return {key: value for key, value in manifest.items() if key not in ("command", "wandb")}


def run_tags(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Base model, recipe and prompt style of a run."""
    return manifest.get("base_model", ""), manifest.get("recipe_name") or "", f"prompt {manifest['prompt_hash'][:8]}"


def project() -> str:
    """The W&B project: ``WANDB_PROJECT``, else ``ondo``."""
    return os.environ.get("WANDB_PROJECT") or "ondo"


def artifact(node: Node) -> Any:
    """The W&B artifact of a node; its files stay where they are and must not change until they are sent."""
    import wandb

    made = wandb.Artifact(node.name, node.type, metadata={"sha256": node.digest, "path": node.path})
    for file in node.files:
        made.add_file(str(file), policy="immutable", skip_cache=True)
    return made


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What ``work`` gives; W&B waits for some answers without bound.

    Raises:
        TimeoutError: it took longer; it is left behind in a thread of its own.
    """
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr)
