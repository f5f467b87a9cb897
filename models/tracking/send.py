"""Sending what lies offline to W&B, and making sure that it has arrived.

W&B's own command says "Finished" and marks a run as sent when files of its artifacts are gone or were refused, waits
for a network without bound, replaces the summary of a resumed run by its last part's, and knows no lineage. So: look
first, send within a time, compare afterwards, and then declare what each run was made from.
"""

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from models.tracking.lineage import Node, content_digest, nodes
from models.tracking.run import CONFIG_KEY, artifact, finish_tracking, start_tracking
from models.tracking.trim import ended, trim
from models.wandb_files import OfflineRun, find_offline, records

Say = Callable[[str], None]
ALIVE_SECONDS = 60.0
"""A part that was not closed and changed so lately is taken for one that is still being written."""


class SendError(ValueError):
    """There is nothing to send or no way to send it; the message says the way out."""


@dataclass(frozen=True)
class Logged:
    """An artifact that an offline file holds.

    Attributes:
        digest: W&B's own.
        files: path and MD5 (base64) of each of its files here.
    """

    name: str
    alias: str
    digest: str
    files: tuple[tuple[Path, str], ...]


@dataclass
class Sent:
    """What became of a sending.

    Attributes:
        runs: ids that arrived whole.
        lost: what did not arrive or could not be sent, a line each.
        used: inputs declared, as (run, artifact).
    """

    runs: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)


def unsent(paths: Sequence[Path], *, again: bool = False) -> list[Path]:
    """The folders of offline runs in the paths (such folders, or folders of them), the oldest first.

    Args:
        paths: where to look.
        again: also those that were marked as sent.

    Raises:
        SendError: a path is no folder.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise SendError(f"{path} is no folder: name a run's W&B folder, or the folder wandb/ that holds them")
        inner = [path] if list(path.glob("run-*.wandb")) else sorted(path.glob("offline-run-*"))
        found |= {folder.name: folder.resolve() for folder in inner if list(folder.glob("run-*.wandb"))}
    return [found[name] for name in sorted(found) if again or not list(found[name].glob("*.wandb.synced"))]


def logged_artifacts(folder: Path) -> list[Logged]:
    """The artifacts that the offline file in a folder holds, tables among them."""
    return [
        Logged(
            told.name,
            next((alias for alias in told.aliases if alias.startswith("sha-")), "latest"),
            told.digest,
            tuple((Path(entry.local_path), entry.digest) for entry in told.manifest.contents if entry.local_path),
        )
        for record in records(_file(folder))
        if record.WhichOneof("record_type") == "artifact"
        for told in (record.artifact,)
    ]


def missing_files(folder: Path) -> list[str]:
    """What a run's artifacts and media need and is gone or no longer what was logged, a line each."""
    problems = []
    for logged in logged_artifacts(folder):
        for path, md5 in logged.files:
            if not path.is_file():
                problems.append(f"{folder.name}: artifact {logged.name}: {path} is gone")
            elif base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode() != md5:
                problems.append(f"{folder.name}: artifact {logged.name}: {path} has changed since it was logged")
    for record in records(_file(folder)):
        if record.WhichOneof("record_type") == "files":
            paths = [folder / "files" / item.path for item in record.files.files]
            problems += [
                f"{folder.name}: {path} is gone" for path in paths if "media" in path.parts and not path.exists()
            ]
    return problems


def send(
    folders: Sequence[Path],
    environment: Mapping[str, str],
    *,
    seconds: float,
    arrival: float,
    incomplete: bool = False,
    say: Say = print,
) -> Sent:
    """Send offline runs, look whether they arrived, and declare their inputs.

    Args:
        folders: from :func:`unsent`.
        environment: of W&B's command, with a key.
        seconds: all of the sending may take.
        arrival: seconds that each thing may take to show up afterwards.
        incomplete: send runs whose artifact files are gone, too.
        say: told what goes on.

    Raises:
        models.wandb_files.WandbFileError: a file is damaged.
        OSError: a file cannot be read or written.
    """
    sent = Sent()
    whole = []
    for folder in folders:
        if _alive(folder):
            sent.lost.append(f"{folder.name} is still being written: send it when its run has ended")
            continue
        problems = missing_files(folder)
        sent.lost += problems
        if incomplete or not problems:
            whole.append(folder)
    if not whole:
        return sent
    parts = {folder: find_offline(folder) for folder in whole}
    homes = {run: folder.parent for folder, found in parts.items() for run in found}
    runs = {run: find_offline(home, run)[run] for run, home in homes.items()}
    for run in runs.values():
        dropped = trim([_file(folder) for folder in run.folders if folder in whole])
        if dropped:
            say(f"{run.id}: {dropped} lines that the resumed part holds again are left out")
    trimmed = [find_offline(folder) for folder in whole]
    problem = _sync(whole, environment, seconds)
    if problem:
        sent.lost.append(problem)
    import wandb

    api = wandb.Api(timeout=30)
    entity = environment.get("WANDB_ENTITY") or api.default_entity
    for run in runs.values():
        project = f"{entity}/{run.project}"
        lines = sum(len(found[run.id].history) for found in trimmed if run.id in found)
        artifacts = [one for folder in run.folders if folder in whole for one in logged_artifacts(folder)]
        problems = list(_not_arrived(api, project, run, lines, artifacts, arrival))
        sent.lost += problems
        if not problems:
            sent.runs.append(run.id)
    for run in runs.values():
        for taken in _inputs(run):
            try:
                _use(api, f"{entity}/{run.project}", run.id, taken)
                sent.used.append((run.id, taken.name))
            except (ValueError, OSError, wandb.errors.Error) as error:
                sent.lost.append(f"{run.id}: its input {taken.name} ({taken.alias}) could not be declared: {error}")
    return sent


def _file(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("run-*.wandb"))))


def _alive(folder: Path) -> bool:
    file = _file(folder)
    later = max(folder.parent.glob(f"offline-run-*/{file.name}"), key=lambda other: other.parent.name)
    newest = later.resolve() == file.resolve()
    return newest and time.time() - file.stat().st_mtime < ALIVE_SECONDS and not ended(records(file))


def _sync(folders: Sequence[Path], environment: Mapping[str, str], seconds: float) -> str | None:
    """W&B's own command, ended when its time is over; what went wrong, if anything."""
    command = [sys.executable, "-m", "wandb", "sync", "--include-synced", "--yes", *map(str, folders)]
    try:
        done = subprocess.run(
            command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"wandb sync was not done after {seconds:g} s and was ended"
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        return f"wandb sync ended with code {done.returncode}: {' '.join(last)}"
    failed = [line.split(" ERROR ", 1)[1] for line in done.stderr.splitlines() if " ERROR " in line]
    if failed:  # and yet the code is 0
        return f"wandb sync: {' '.join(failed)}"
    return None


def _not_arrived(
    api: Any, project: str, run: OfflineRun, lines: int, artifacts: Sequence[Logged], arrival: float
) -> Iterator[str]:
    """What of a run is not on the server, a line each; its summary is mended on the way."""
    from wandb.errors import CommError

    deadline = time.monotonic() + arrival

    def wait(what: Callable[[], Any]) -> Any:
        while True:
            try:
                found = what()
            except (ValueError, CommError):
                found = None
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    there = wait(lambda: api.run(f"{project}/{run.id}"))
    if there is None:
        yield f"{run.id}: the run has not arrived"
        return
    if not wait(lambda: api.run(f"{project}/{run.id}").history_line_count >= lines):
        yield f"{run.id}: fewer than its {lines} lines of history have arrived"
    gone = {key: value for key, value in run.summary.items() if key[0] != "_" and key not in dict(there.summary)}
    if gone:
        # Of a resumed run W&B keeps the summary of the part that came last.
        there.summary.update(gone)
    for logged in artifacts:
        found = wait(partial(api.artifact, f"{project}/{logged.name}:{logged.alias}"))
        if found is None or found.digest != logged.digest:
            yield f"{run.id}: artifact {logged.name} ({logged.alias}) has not arrived"


def _inputs(run: OfflineRun) -> list[Node]:
    told = run.config.get(CONFIG_KEY, {}).get("lineage")
    return [taken for taken in nodes(told, "inputs") if taken.type != "base-model"]


def _use(api: Any, project: str, run_id: str, taken: Node) -> None:
    """Declare an input; one that no run has put out is logged first, by a run of its own.

    Raises:
        ValueError: it is not on the server, and its file is gone or has changed.
        OSError: its file cannot be read.
    """
    from wandb.errors import CommError

    name = f"{project}/{taken.name}:{taken.alias}"
    try:
        found = api.artifact(name)
    except (ValueError, CommError):
        if not taken.files or content_digest(Path(str(taken.path))) != taken.digest:
            raise ValueError(f"{taken.path} is gone or has changed") from None
        tracking = start_tracking(f"data-{taken.digest[:12]}", "data", {}, wanted="online", group="inputs")
        tracking.attempt(
            f"the artifact {taken.name}",
            lambda run: run.log_artifact(artifact(taken), aliases=["latest", taken.alias]).wait(timeout=60),
        )
        finish_tracking(tracking)
        found = api.artifact(name)
    api.run(f"{project}/{run_id}").use_artifact(found)
