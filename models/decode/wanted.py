"""An answer on its way, and where it turns back when it goes wrong."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

BANS = 3
"""Words that are tried at one place before the word ahead of it is written anew."""
TURNS = 4
"""Times that an answer turns back at most; after that it is given up."""
Look = Literal["turn", "stop"]
"""What is to become of an answer: it turns back and takes another word, or it is given up."""
_BLANKS = ("▁", "Ġ")
"""What tokenizers write for the blank that a word begins with."""


@dataclass(eq=False)
class Wanted:
    """One answer that is wanted.

    Attributes:
        prompt: token ids; begins with the stream's prefix and goes on behind it.
        temperature: 0 for greedy.
        figure: digits; the only number that the answer may contain. None: any.
        look: takes what has been written, at the end of every word and of the answer, and whether that is all, and says
            what is to become of it; None: it goes on. Without it the answer is written as it comes.
        tokens: chosen so far, a stop token included.
        finished: whether a stop token was chosen.
        given_up: whether it was, and so ends in the middle.
        numbers: in [0, 1), one for the choice of each token; drawn when the answer joins, so that what it becomes does
            not depend on what is decoded beside it.
        logits: by which the first token of a word was chosen, shape (V,), for each place where one was.
        banned: what may not stand at a place, because it went wrong there.
        turns: how many times it has turned back.
    """

    prompt: Sequence[int]
    temperature: float
    figure: str | None = None
    look: Callable[[str, bool], Look | None] | None = None
    tokens: list[int] = field(default_factory=list)
    finished: bool = False
    given_up: bool = False
    numbers: Sequence[float] = field(default=(), repr=False)
    logits: dict[int, torch.Tensor] = field(default_factory=dict, repr=False)
    banned: dict[int, set[int]] = field(default_factory=dict, repr=False)
    turns: int = 0

    def begin_anew(self) -> None:
        """Forget what has been written."""
        self.tokens, self.finished, self.given_up, self.turns = [], False, False, 0
        self.logits, self.banned = {}, {}


class Turning:
    """Has answers looked at, and turns back or gives up those that go wrong.

    Args:
        tokenizer: reads the answers.
        words: the tokens that can be chosen.
    """

    def __init__(self, tokenizer: Any, words: Iterable[int]) -> None:
        self._tokenizer = tokenizer
        ids = list(words)
        written = tokenizer.convert_ids_to_tokens(ids)
        self._begins = frozenset(token for token, text in zip(ids, written, strict=True) if text.startswith(_BLANKS))

    def begins(self, wanted: Wanted, token: int) -> bool:
        """Whether a word of the answer begins with a token that comes next."""
        return not wanted.tokens or token in self._begins

    def look(self, wanted: Wanted) -> bool:
        """Whether the answer, whose last token was just chosen, turned back: to before its last word, or further."""
        ended = len(wanted.tokens) > 1 and (wanted.finished or wanted.tokens[-1] in self._begins)
        if wanted.look is None or not ended:
            return False
        written = self._tokenizer.decode(wanted.tokens[:-1], skip_special_tokens=True)
        said = wanted.look(written, wanted.finished)
        if said == "turn" and self._turn(wanted):
            return True
        if said is not None and not wanted.finished:
            del wanted.tokens[-1]
            wanted.given_up = True
        return False

    def _turn(self, wanted: Wanted) -> bool:
        """Whether there is a word that may still be another."""
        if wanted.turns >= TURNS:
            return False
        for place in sorted(wanted.logits, reverse=True):
            banned = wanted.banned.get(place, set())
            if place < len(wanted.tokens) - 1 and len(banned) < BANS:
                wanted.turns += 1
                wanted.banned = {before: tokens for before, tokens in wanted.banned.items() if before < place}
                wanted.banned[place] = {*banned, wanted.tokens[place]}
                wanted.logits = {before: logits for before, logits in wanted.logits.items() if before <= place}
                wanted.finished = False
                del wanted.tokens[place:]
                return True
        return False
