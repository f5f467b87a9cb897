"""One process or several: who writes, and how the others learn of it. Works before and without a process group."""

from collections.abc import Callable
from typing import TypeVar

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


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if _several():
        dist.barrier()


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
