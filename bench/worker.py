"""A process of its own for one system, so that its peak memory is its own and no system warms another's caches.

Processes are forked from a server that has only imported the libraries, so each starts in no time and clean.
"""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["bench.systems"])


class Worker:
    """Runs functions in its process, one after the other; leave it with ``with``."""

    def __init__(self) -> None:
        self._pipe, other = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """The value of ``function(*args)``, computed in the process.

        Raises:
            RuntimeError: the function failed, with its traceback, or the process died.
        """
        try:
            self._pipe.send((function, args))
            failed, value = self._pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"the process of {function.__name__}{args[:1]} died; out of memory?") from error
        if failed:
            raise RuntimeError(value)
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(timeout=30)
        if self._process.is_alive():
            self._process.terminate()


def _serve(pipe: Connection) -> None:
    # the trainers print their logs and bars; errors are handed back
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    while True:
        try:
            function, args = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((False, function(*args)))
        except Exception:  # noqa: BLE001  (handed to the other side, which raises it)
            pipe.send((True, traceback.format_exc()))
