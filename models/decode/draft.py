"""Guesses at what comes next, out of what was written before.

Notices resemble one another, so the token that followed the last few tokens some time ago often follows them again. A
guess costs nothing when it is checked in the same pass as the token before it (speculative decoding, Leviathan, Kalman
and Matias 2023, with a table in place of a second model): see :class:`models.decode.Stream`.
"""

from collections import OrderedDict
from collections.abc import Sequence

LENGTHS = (4, 3, 2)
"""Tokens looked back at; the longest context that is known decides."""
KEPT = 2**16
"""Contexts that are remembered, the least recently met going first."""
_BEGINNING = -1


class Drafts:
    """A table from the last tokens to the one that followed them most recently."""

    def __init__(self) -> None:
        self._next: OrderedDict[tuple[int, ...], int] = OrderedDict()

    def learn(self, tokens: Sequence[int]) -> None:
        """Remember what the last of an answer's ``tokens`` followed."""
        for length in LENGTHS:
            context = _last(tokens[:-1], length)
            self._next[context] = tokens[-1]
            self._next.move_to_end(context)
        while len(self._next) > KEPT:
            self._next.popitem(last=False)

    def guess(self, tokens: Sequence[int], count: int) -> list[int]:
        """At most ``count`` tokens that may follow an answer's ``tokens``, fewer where nothing is known."""
        guessed: list[int] = []
        while len(guessed) < count:
            for length in LENGTHS:
                token = self._next.get(_last([*tokens, *guessed], length))
                if token is not None:
                    guessed.append(token)
                    break
            else:
                break
        return guessed


def _last(tokens: Sequence[int], length: int) -> tuple[int, ...]:
    tail = tuple(tokens[-length:])
    return (_BEGINNING,) * (length - len(tail)) + tail
