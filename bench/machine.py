"""What the machine is, and how fast it multiplies matrices: the yardstick of a measured speed."""

import time
from collections.abc import Callable

import torch

from models.dtype import usual_dtype

# Shapes of the kind a small model trains with, and a square one; the best of them all is the peak.
_SHAPES = ((2048, 2048, 2048), (2048, 640, 8192), (1024, 640, 2048), (4096, 1024, 1024))


def matrix_peak(
    dtype: torch.dtype | None = None, seconds: float = 0.3, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Best rate of ``a @ b.T`` seen within about ``seconds`` a shape, in operations a second of ``clock``.

    Without a ``dtype`` in the one that weights have here where nobody asks for another.
    """
    dtype = dtype or getattr(torch, usual_dtype())
    best = 0.0
    for rows, inner, columns in _SHAPES:
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
        end = clock() + seconds
        while clock() < end:
            started = clock()
            left @ right.t()
            best = max(best, 2 * rows * inner * columns / (clock() - started))
    return best
