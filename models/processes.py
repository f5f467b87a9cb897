"""One process or several: who writes, how the others learn of it, and how many cores each may use."""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


def is_main() -> bool:
    """Whether this process is the one that writes files and logs."""
    return not _several() or dist.get_rank() == 0


def broadcast(make: Callable[[], T]) -> T:
    """What ``make`` gives in the main process, in every process; an error there is raised everywhere."""
    if not _several():
        return make()
    box: list[tuple[T | None, Exception | None]] = [(None, None)]
    if is_main():
        try:
            box[0] = (make(), None)
        except Exception as error:  # noqa: BLE001 - it is raised below, in every process
            box[0] = (None, error)
    dist.broadcast_object_list(box, src=0)
    value, failure = box[0]
    if failure is not None:
        raise failure
    return value  # type: ignore[return-value] # make's own value


def take_cores(threads: int | None = None) -> int:
    """Set how many CPU threads torch uses, and return it.

    ``accelerate launch`` gives a process one thread unless told otherwise, also when it is the only one, and training
    on a CPU then takes twice as long on two cores. So a process that accelerate started alone takes every core it may
    run on; a number given here, more than one thread in ``OMP_NUM_THREADS``, or a GPU stands as it is.

    Raises:
        ValueError: ``threads`` is below 1.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
    elif (
        "ACCELERATE_MIXED_PRECISION" in os.environ
        and os.environ.get("OMP_NUM_THREADS") == "1"
        and int(os.environ.get("WORLD_SIZE", "1")) == 1
        and not torch.cuda.is_available()
    ):
        torch.set_num_threads(_cores())
    return torch.get_num_threads()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if _several():
        dist.barrier()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
