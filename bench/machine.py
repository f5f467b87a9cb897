"""What the machine is, and how fast it multiplies matrices: the yardstick of a measured speed."""

import time

import torch

# Shapes of the kind a small model trains with, and a square one; the best of them all is the peak.
_SHAPES = ((2048, 2048, 2048), (2048, 640, 8192), (1024, 640, 2048), (4096, 1024, 1024))


def matrix_peak(dtype: torch.dtype = torch.bfloat16, seconds: float = 0.3) -> float:
    """Best rate of ``a @ b.T`` seen within about ``seconds`` a shape, in floating-point operations per second."""
    best = 0.0
    for rows, inner, columns in _SHAPES:
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            left @ right.t()
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - started))
    return best
