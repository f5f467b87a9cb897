"""One curve for a run that was killed and resumed: what the later part did over again is taken out of the earlier one.

A resumed training goes on from its last checkpoint, so the steps between it and the kill are logged twice. Sent as they
are, the parts give a chart that runs back on itself. The whole file stays beside the trimmed one as ``*.wandb.whole``.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from models.wandb_files import STEP, payloads, records

_HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
_BLOCK, _HEAD = 32 * 1024, struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def trim(files: Sequence[Path]) -> int:
    """Take the lines that a later part holds again out of the earlier parts of one run; returns how many.

    A record that a kill cut short is taken off the end too: W&B's command gives up at it, and on the parts behind it.

    Args:
        files: the ``.wandb`` files of one run in the order they began.

    Raises:
        models.wandb_files.WandbFileError: a file is damaged.
        OSError: a file cannot be written; what stood there still stands.
    """
    dropped, begins = 0, float("inf")
    for file in reversed(files):
        found = list(records(file))
        kept = [record for record in found if not _redone(record, begins)]
        if len(kept) < len(found) or len(log_bytes(payloads(file))) < file.stat().st_size:
            _replace(file, log_bytes(record.SerializeToString() for record in kept))
            dropped += len(found) - len(kept)
        begins = min([begins, *(step for record in kept if (step := logged_step(record)) is not None)])
    return dropped


def ended(found: Iterable[Any]) -> bool:
    """Whether a part was closed, well or not, and did not just break off."""
    return any(record.WhichOneof("record_type") == "exit" for record in found)


def logged_step(record: Any) -> float | None:
    """The trainer's step of a line of history; None for any other record."""
    if record.WhichOneof("record_type") != "history":
        return None
    return next((json.loads(i.value_json) for i in record.history.item if STEP in (i.key, *i.nested_key)), None)


def log_bytes(contents: Iterable[bytes]) -> bytes:
    """A log in LevelDB's format with W&B's header; what :func:`models.wandb_files.records` reads."""
    log = bytearray(_HEADER)
    for payload in contents:
        place, first = 0, True
        while first or place < len(payload):
            left = _BLOCK - len(log) % _BLOCK
            if left < _HEAD.size:
                log += bytes(left)
                left = _BLOCK
            piece = payload[place : place + left - _HEAD.size]
            place += len(piece)
            last = place >= len(payload)
            kind = _FULL if first and last else _FIRST if first else _LAST if last else _MIDDLE
            log += _HEAD.pack(zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(log)


def _redone(record: Any, begins: float) -> bool:
    step = logged_step(record)
    return step is not None and step >= begins


def _replace(file: Path, content: bytes) -> None:
    whole, new = file.with_name(file.name + ".whole"), file.with_name(file.name + ".tmp")
    if not whole.exists():
        whole.hardlink_to(file)
    new.write_bytes(content)
    os.replace(new, file)  # noqa: PTH105 - atomic; the hard link keeps the old content
