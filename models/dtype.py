"""The precision of frozen weights where nobody asks for one: bfloat16, unless this machine's processor is slow at it.

Processors without instructions for bfloat16 can multiply it hundreds of times slower than float32, at the same result.
There is no list of processors here: both products are timed once in a process.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch

DtypeName = Literal["bfloat16", "float32", "auto"]
_SLOWER = 2.0
"""How many times longer a bfloat16 product may take than one in float32: it needs half the memory."""


def usual_dtype() -> DtypeName:
    """``bfloat16``, or ``float32`` on a machine without a GPU where its products take more than twice as long."""
    return "bfloat16" if torch.cuda.is_available() or half_is_fast() else "float32"


@cache
def half_is_fast() -> bool:
    """Whether the CPU's bfloat16 products take at most twice the time of float32 ones; timed once (up to 0.5 s)."""
    return _product_s(torch.bfloat16) <= _SLOWER * _product_s(torch.float32)


def shortest_s(work: Callable[[], object], rounds: int = 3) -> float:
    """Seconds of the fastest of some rounds, after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def _product_s(dtype: torch.dtype) -> float:
    """A product of a few rows with a square matrix, s."""
    rows, matrix = torch.ones(16, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    return shortest_s(lambda: torch.mm(rows, matrix))
