"""The limits of the rubric, as one object."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rubric:
    """Limits of the rules; lengths in code points, temperatures in whole degrees Celsius of today."""

    min_chars: int = 40
    max_chars: int = 70
    max_sentences: int = 1
    severe_cold: int = -10
    """At most this: a caution against cold is due."""
    cold: int = 5
    """At most this: no light clothing, no heat measures, the day is not hot."""
    warm: int = 28
    """At least this: no warm clothing, no cold measures, the day is not cold."""
    hot: int = 33
    """At least this: a caution against heat is due and no walk is called pleasant."""

    @property
    def mild_denied(self) -> int:
        """At most this: the weather is not called 따뜻, 포근 or 온화; 5 above ``severe_cold``."""
        return self.severe_cold + 5

    @property
    def cool_denied(self) -> int:
        """At least this: the weather is not called 시원 or 선선; 2 above ``warm``."""
        return self.warm + 2

    def __post_init__(self) -> None:
        if not 0 <= self.min_chars <= self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} must lie in 0..max_chars ({self.max_chars})")
        if self.max_sentences < 1:
            raise ValueError(f"max_sentences must be at least 1, got {self.max_sentences}")
        if not self.severe_cold <= self.cold < self.warm <= self.hot:
            raise ValueError("the thresholds must be ordered: severe_cold <= cold < warm <= hot")


DEFAULT_RUBRIC = Rubric()
