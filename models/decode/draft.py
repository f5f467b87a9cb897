"""Guesses at what comes next, out of what was written before.

Notices resemble one another, so the token that mostly followed the last few tokens will often follow them again. A
guess costs little when it is checked in the same pass as the token before it: speculative decoding (Leviathan, Kalman
and Matias 2023, arXiv:2211.17192) with a table of counts in place of a second model. See
:class:`models.decode.Stream`.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence

LENGTHS = (4, 3, 2, 1)
"""Tokens looked back at; the longest context that is known decides."""
KEPT = 2**15
"""Contexts that are remembered, those not met for the longest time going first."""
_BEGINNING = -1


class Drafts:
    """A table from the last tokens to those that followed them."""

    def __init__(self) -> None:
        self._next: OrderedDict[tuple[int, ...], Counter[int]] = OrderedDict()

    def learn(self, tokens: Sequence[int]) -> None:
        """Count what followed what in an answer."""
        for end, token in enumerate(tokens):
            for length in LENGTHS:
                context = _last(tokens[:end], length)
                self._next.setdefault(context, Counter())[token] += 1
                self._next.move_to_end(context)
        while len(self._next) > KEPT:
            self._next.popitem(last=False)

    def guess(self, tokens: Sequence[int], count: int) -> list[int]:
        """At most ``count`` tokens that may follow an answer's ``tokens``, fewer where nothing is known."""
        guessed: list[int] = []
        while len(guessed) < count:
            for length in LENGTHS:
                followed = self._next.get(_last([*tokens[-length:], *guessed], length))
                if followed is not None:
                    guessed.append(max(followed, key=followed.__getitem__))
                    break
            else:
                break
        return guessed


def _last(tokens: Sequence[int], length: int) -> tuple[int, ...]:
    tail = tuple(tokens[-length:])
    return (_BEGINNING,) * (length - len(tail)) + tail
