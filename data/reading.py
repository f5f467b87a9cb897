"""A reading: yesterday's and today's temperature, and the bucket its change falls into."""

from dataclasses import dataclass
from typing import Literal, get_args

Bucket = Literal[
    "rise_large",
    "rise_medium",
    "rise_small",
    "fall_large",
    "fall_medium",
    "fall_small",
    "same",
    "extreme",
]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)


@dataclass(frozen=True, order=True)
class Reading:
    """Two whole-degree Celsius temperatures."""

    yesterday: int
    today: int

    @property
    def delta(self) -> int:
        """Signed change in degrees: today minus yesterday."""
        return self.today - self.yesterday


def bucket(reading: Reading) -> Bucket:
    """The bucket a reading belongs to; ``extreme`` goes before every other.

    Extreme is cold (both temperatures in -20..0, today at most -12) or heat (both in 30..45, today at least 38).
    The rest is sorted by sign and size of the change: large from 10 degrees, medium 5 to 9, small 1 to 4.
    """
    low, high = sorted((reading.yesterday, reading.today))
    cold = low >= -20 and high <= 0 and reading.today <= -12
    heat = low >= 30 and high <= 45 and reading.today >= 38
    if cold or heat:
        return "extreme"
    size = abs(reading.delta)
    if size == 0:
        return "same"
    if reading.delta > 0:
        return "rise_large" if size >= 10 else "rise_medium" if size >= 5 else "rise_small"
    return "fall_large" if size >= 10 else "fall_medium" if size >= 5 else "fall_small"
