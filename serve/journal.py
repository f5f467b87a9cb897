"""The journal: every answer that did not pass, and what was served in its place, one JSON object a line.

A line has the fields that ``launch/judge.py`` reads (``yesterday``, ``today``, ``message``) and a verdict, so later
training can learn from it: the message is a rejected one, ``served`` one that passes.

Each line is appended with a single write, so a killed process leaves whole lines and at most one torn one at the end,
which the next start cuts off and says so. The file is renamed to ``<name>.1`` when it outgrows its limit, over the one
before; both together hold at most twice the limit.
"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Journal:
    """An open journal. Not for several processes at once.

    Args:
        path: the file; its folder is made if need be.
        max_bytes: size from which the file is put aside.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path, self._max_bytes = path, max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = cut_torn_line(path)
        if cut:
            print(f"ondo: {path}: cut off {cut} bytes of a torn last line", file=sys.stderr, flush=True)
        self._open()

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one line, with the time before the entry's own fields.

        Raises:
            OSError: the disk is full; what was written of the line is taken back.
        """
        stamped = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
        # a lone surrogate is a valid JSON string but no valid UTF-8: it is written escaped
        line = json.dumps(stamped, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        if self._size and self._size + len(line) > self._max_bytes:
            os.close(self._file)
            self.path.replace(previous(self.path))
            self._open()
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, self._size)
            raise OSError(f"{self.path}: only {written} of {len(line)} bytes could be written; is the disk full?")
        self._size += written

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._file).st_size


def previous(path: Path) -> Path:
    """Where the journal before this one lies."""
    return path.with_name(f"{path.name}.1")


def cut_torn_line(path: Path) -> int:
    """Cut off what stands behind the last line feed of a file; returns how many bytes that were.

    Raises:
        OSError: the file is there but cannot be changed.
    """
    try:
        with path.open("r+b") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 65536)
                file.seek(start)
                found = file.read(end - start).rfind(b"\n")
                if found >= 0:
                    end = start + found + 1
                    break
                end = start
            file.truncate(end)
            return size - end
    except FileNotFoundError:
        return 0
