"""One number and no other: which words may come next when every figure of an answer has to be a given one.

A notice may be written in many ways, but the change of temperature is one number, and a small model errs in it more
often than in anything else. Digits that would lead elsewhere are ruled out while a figure is written, so the
probability goes to the answers that state it; what the model writes around it stays its own.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

_DIGITS = frozenset("0123456789")
_KEPT = 256
"""Masks that are remembered: a figure of two digits needs three."""


class Figures:
    """Masks over a model's words.

    Args:
        tokenizer: reads the words.
        words: token ids, in the order of the head's rows.
    """

    def __init__(self, tokenizer: Any, words: Sequence[int]) -> None:
        self._tokenizer, self._ids = tokenizer, list(words)
        texts = tokenizer.batch_decode([[token] for token in self._ids], clean_up_tokenization_spaces=False)
        self._texts = {row: text for row, text in enumerate(texts) if not _DIGITS.isdisjoint(text)}
        self._digits = {self._ids[row]: text for row, text in self._texts.items()}
        self._written: dict[str, list[int]] = {}
        self._masks: OrderedDict[tuple[str, str], torch.Tensor] = OrderedDict()

    def mask(self, figure: str, tokens: Sequence[int]) -> torch.Tensor:
        """Which words may follow ``tokens``, shape (V,): those that write no other figure than ``figure``."""
        key = (figure, self._begun(tokens))
        if key not in self._masks:
            self._masks[key] = self._make(*key)
            if len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
        self._masks.move_to_end(key)
        return self._masks[key]

    def tokens(self, figure: str) -> list[int]:
        """What the figure is written with."""
        if figure not in self._written:
            ids = self._tokenizer(figure, add_special_tokens=False)["input_ids"]
            self._written[figure] = [int(token) for token in ids]
        return self._written[figure]

    def possible(self, figure: str, tokens: Sequence[int], guess: Sequence[int]) -> list[int]:
        """The beginning of ``guess`` that may follow ``tokens``."""
        begun = self._begun(tokens)
        for count in range(len(guess)):
            if not _possible(begun + "".join(self._digits.get(token, " ") for token in guess[: count + 1]), figure):
                return list(guess[:count])
        return list(guess)

    def _begun(self, tokens: Sequence[int]) -> str:
        """The digits at the end of a text."""
        begun = ""
        for token in reversed(tokens):
            text = self._digits.get(token, "")
            written = text[len(text.rstrip("0123456789")) :]
            begun = written + begun
            if not written or written != text:
                break
        return begun

    def _make(self, figure: str, begun: str) -> torch.Tensor:
        mask = torch.full((len(self._ids),), _possible(begun + " ", figure))
        for row, text in self._texts.items():
            mask[row] = _possible(begun + text, figure)
        return mask


def _possible(text: str, figure: str) -> bool:
    """Whether all figures of a text are ``figure``, or, at its end, the beginning of it."""
    *written, last = "".join(char if char in _DIGITS else " " for char in text).split(" ")
    return all(number in ("", figure) for number in written) and figure.startswith(last)
