"""Reads W&B's offline files back, for runs whose own directory is gone: W&B 0.31 has no Python reader of them.

A ``.wandb`` file is a log in LevelDB's format (github.com/google/leveldb, doc/log_format.md) behind a header of seven
bytes: blocks of 32 KiB, in them pieces of records, each with a checksum, a length and a type. A record is W&B's own
protobuf message. A run that was resumed lies in several such files, which are put together in the order they began.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
_BLOCK = 32 * 1024
_PIECE = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}
STEP = "train/global_step"


class WandbFileError(ValueError):
    """An offline file is missing or damaged; the message names it."""


@dataclass
class OfflineRun:
    """What the offline files of one W&B run hold.

    Attributes:
        id: of the run.
        project, name, group, job_type, tags: as they were given.
        config: nested as it was given.
        summary: the last value of each key.
        history: lines as they were logged, one after the other, those of later files behind those of earlier ones.
        finished: whether it ended with exit code 0; None without an end, as after a kill.
        folders: where its files lie, the oldest first.
    """

    id: str
    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool | None = None
    folders: list[Path] = field(default_factory=list)


def find_offline(folder: Path, run_id: str | None = None) -> dict[str, OfflineRun]:
    """The offline runs below a folder, by id; only one of them when an id is given.

    Raises:
        WandbFileError: a file is damaged before its end.
    """
    # the link latest-run leads to a file that is found anyway
    files = dict.fromkeys(file.resolve() for file in sorted(folder.rglob(f"run-{run_id or '*'}.wandb")))
    parts = [(file, list(records(file))) for file in files]
    begun = [(told, file, found) for file, found in parts if (told := _run_record(found)) is not None]
    begun.sort(key=lambda part: (part[0].start_time.seconds, part[0].start_time.nanos))
    runs: dict[str, OfflineRun] = {}
    for told, file, found in begun:
        _merge(runs.setdefault(told.run_id, OfflineRun(told.run_id)), file, found)
    return runs


def last_per_step(run: OfflineRun) -> list[dict[str, Any]]:
    """The history by the trainer's step: for each key the value that was logged last at that step.

    A resumed training logs the steps behind its checkpoint once more; the later values are the ones that it went on
    from. Lines without a step are left out. Each entry has ``step`` and W&B's keys.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for line in run.history:
        step = line.get(STEP)
        if isinstance(step, int | float):
            by_step.setdefault(int(step), {"step": int(step)}).update(line)
    return [by_step[step] for step in sorted(by_step)]


def records(file: Path) -> Iterator[Any]:
    """The records of one file as W&B's protobuf messages, up to where the writing broke off.

    Raises:
        WandbFileError: it is no such file, or damaged before its end.
    """
    from wandb.proto import wandb_internal_pb2

    message: Any = wandb_internal_pb2
    for data in payloads(file):
        record = message.Record()
        record.ParseFromString(data)
        yield record


def _run_record(found: Iterable[Any]) -> Any:
    """What the file says of its run; None while nothing is written yet."""
    return next((record.run for record in found if record.WhichOneof("record_type") == "run"), None)


def _merge(run: OfflineRun, file: Path, found: Iterable[Any]) -> None:
    run.folders.append(file.parent)
    run.finished = None
    for record in found:
        match record.WhichOneof("record_type"):
            case "run":
                told = record.run
                run.project, run.name, run.tags = told.project, told.display_name, tuple(told.tags)
                run.group, run.job_type = told.run_group, told.job_type
                _update(run.config, told.config.update)
            case "config":
                _update(run.config, record.config.update)
            case "summary":
                _update(run.summary, record.summary.update)
            case "history":
                run.history.append({})
                _update(run.history[-1], record.history.item)
            case "exit":
                run.finished = record.exit.exit_code == 0


def _update(target: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        *above, last = list(item.nested_key) or [item.key]
        inner = target
        for key in above:
            found = inner.setdefault(key, {})
            inner = found if isinstance(found, dict) else inner.setdefault(key, {})
        inner[last] = _plain(json.loads(item.value_json))


def _plain(value: Any) -> Any:
    """W&B writes what JSON has no word for as text."""
    return _NUMBERS.get(value, value) if isinstance(value, str) else value


def payloads(file: Path) -> Iterator[bytes]:
    """The payloads of a log; a last one that was not written to its end is left out."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WandbFileError(f"{file} cannot be read: {error}") from error
    if not content.startswith(_HEADER):
        raise WandbFileError(f"{file} is no offline file of W&B: it does not begin with its header")
    place, pieces = len(_HEADER), b""
    while place + _PIECE.size <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _PIECE.size:
            place += left
            continue
        checksum, length, kind = _PIECE.unpack_from(content, place)
        start = place + _PIECE.size
        data = content[start : start + length]
        if len(data) < length or (kind == 0 and not any(content[place:])):
            return  # written up to here, or space kept for more
        if zlib.crc32(bytes([kind]) + data) != checksum:
            raise WandbFileError(f"{file} is damaged at byte {place}: a checksum does not fit")
        place = start + length
        pieces = data if kind in (_FULL, _FIRST) else pieces + data
        if kind in (_FULL, _LAST):
            yield pieces
