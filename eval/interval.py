"""Pass rates with their uncertainty: the Wilson score interval.

Close to 0 and 1, where these rates lie, and at a few hundred readings the normal approximation is too narrow and leaves
0..1 (Bowyer et al. 2025, arXiv 2503.01747); Wilson's interval holds its level there and never leaves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """A pass rate over readings.

    Attributes:
        passed: readings that pass; with several samples the sum of the passing shares.
        n: readings.
        rate: ``passed / n``, in 0..1.
        low: lower end of the 95 % interval.
        high: upper end of it.
    """

    passed: float
    n: int
    rate: float
    low: float
    high: float


def rate(shares: Sequence[float]) -> Rate:
    """The mean of readings' passing shares, with its Wilson interval.

    The reading is the unit: samples of one reading resemble each other and are no independent trials. For one notice a
    reading (every share 0 or 1) this is the Wilson interval as it stands. Shares of several samples vary at most as
    much as zeros and ones of the same mean (var <= p(1 - p), Bhatia and Davis 2000), so the same interval then covers
    at least 95 %; a broken sum is rounded outwards, down for the lower end and up for the upper.

    Args:
        shares: for each reading the share of its notices that pass, in 0..1.

    Raises:
        ValueError: no readings, or a share outside 0..1.
    """
    if not shares:
        raise ValueError("a rate needs at least one reading")
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError("shares must lie in 0..1")
    n = len(shares)
    # Rounded, so that thirds that sum to a whole number are one.
    passed = round(math.fsum(shares), 9)
    low, _ = wilson(math.floor(passed), n)
    _, high = wilson(math.ceil(passed), n)
    return Rate(passed, n, passed / n, low, high)


def wilson(passed: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Lower and upper end of the Wilson score interval (Wilson 1927) for ``passed`` of ``n`` trials."""
    interval = binomtest(passed, n).proportion_ci(confidence_level=level, method="wilson")
    return float(interval.low), float(interval.high)
