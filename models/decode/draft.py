"""Guesses at what comes next, out of what was written before.

Notices resemble one another, so what mostly followed the last few tokens will often follow them again. A guess costs
little when it is checked in the same pass as the token before it: speculative decoding (Leviathan, Kalman and Matias
2023, arXiv:2211.17192) with a table of counts in place of a second model. See :class:`models.decode.Stream`.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

LENGTHS = (4, 3, 2, 1)
"""Tokens looked back at."""
KEPT = 2**15
"""Contexts that are remembered, those not met for the longest time going first."""
LEAST = 0.3
"""A guess that is less likely to be right, with all before it, costs more time than it saves (docs/serving.md)."""
MOST = 8
"""Guesses ahead at most."""
_BEGINNING, _NUMBER = -1, -2


@dataclass(frozen=True)
class Guess:
    """A token that may come.

    Attributes:
        token: its id.
        chance: in (0, 1], that it comes and all guessed before it come too, as far as the table can say.
    """

    token: int
    chance: float


class Drafts:
    """A table from the last tokens to those that followed them, in which every number is the same.

    Args:
        digits: the tokens that numbers are written with.
    """

    def __init__(self, digits: Collection[int] = ()) -> None:
        self._digits = frozenset(digits)
        self._next: OrderedDict[tuple[int, ...], Counter[int]] = OrderedDict()

    def learn(self, tokens: Sequence[int]) -> None:
        """Count what followed what in an answer."""
        said = self._said(tokens)
        for end, token in enumerate(said):
            for length in LENGTHS:
                context = _last(said[:end], length)
                self._next.setdefault(context, Counter())[token] += 1
                self._next.move_to_end(context)
        while len(self._next) > KEPT:
            self._next.popitem(last=False)

    def guess(self, tokens: Sequence[int], number: Sequence[int] = (), banned: Collection[int] = ()) -> list[Guess]:
        """Tokens that may follow an answer's ``tokens``, while the chance is at least ``LEAST``.

        Args:
            tokens: of the answer so far.
            number: tokens of the number that it will state; without it no number is guessed.
            banned: what will not come next.
        """
        guessed: list[Guess] = []
        chance, said = 1.0, self._said(tokens)
        begun = next((count for count, token in enumerate(reversed(tokens)) if token not in self._digits), len(tokens))
        while len(guessed) < MOST:
            if 0 < begun < len(number):
                token, likely = number[begun], 1.0
            else:
                following, likely = self._likely(said, banned)
                if following is None or (following == _NUMBER and not number):
                    break
                token, begun = (number[0], 0) if following == _NUMBER else (following, -1)
                said.append(following)
            begun, banned, chance = begun + 1, (), chance * likely
            if chance < LEAST:
                break
            guessed.append(Guess(token, chance))
        return guessed

    def _likely(self, said: Sequence[int], banned: Collection[int]) -> tuple[int | None, float]:
        """What follows most often, and its share, interpolated over the contexts (Witten and Bell 1991, method C)."""
        known = [seen for length in LENGTHS if (seen := self._next.get(_last(said, length)))]
        if banned:
            known = [Counter({token: count for token, count in seen.items() if token not in banned}) for seen in known]
        best, most = None, 0.0
        for candidate in dict.fromkeys(max(seen, key=seen.__getitem__) for seen in known if seen):
            share, left = 0.0, 1.0
            for seen in known:
                if seen:
                    whole = seen.total() + len(seen)
                    share, left = share + left * seen[candidate] / whole, left * len(seen) / whole
            if share > most:
                best, most = candidate, share
        return best, most

    def _said(self, tokens: Sequence[int]) -> list[int]:
        """The tokens with every run of digits as one."""
        said: list[int] = []
        for token in tokens:
            digit = token in self._digits
            if not digit or not said or said[-1] != _NUMBER:
                said.append(_NUMBER if digit else token)
        return said


def _last(tokens: Sequence[int], length: int) -> tuple[int, ...]:
    tail = tuple(tokens[-length:])
    return (_BEGINNING,) * (length - len(tail)) + tail
