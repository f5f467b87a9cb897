"""A message made ready for the rules: normalised text, bare text, morphemes and figures."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from kiwipiepy import Kiwi

from rewards import words

LONGEST = 2000
"""Code points that the analysis looks at; far beyond any notice, so that every text is judged in bounded time."""


@dataclass(frozen=True)
class Figure:
    """A temperature figure: its signed value in degrees and where it stands in the text."""

    value: float
    signed: bool
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """One message under judgement."""

    whole: str
    bare: str
    tokens: tuple[tuple[str, str, int, int], ...]
    """Morphemes of ``bare``: form, tag, start, end (kiwipiepy's tag set)."""
    figures: tuple[Figure, ...]


@cache
def _kiwi() -> Kiwi:
    return Kiwi(num_workers=1)


def prepare(messages: Sequence[str]) -> list[Text]:
    """Normalise and analyse messages, in one pass of the analyser."""
    wholes = [unicodedata.normalize("NFC", message).strip() for message in messages]
    bares = [_bare(whole[:LONGEST]) for whole in wholes]
    analysed = _kiwi().tokenize([_encodable(bare) for bare in bares]) if bares else []
    return [
        Text(whole, bare, tuple((t.form, str(t.tag), t.start, t.end) for t in tokens), _figures(whole[:LONGEST]))
        for whole, bare, tokens in zip(wholes, bares, analysed, strict=True)
    ]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _bare(text: str) -> str:
    """The text without labels, quotes, brackets around it, Markdown, ellipses and special tokens."""
    text = words.SPECIAL.sub("", text)
    text = re.sub(r"[*#`]|__|~~", "", text)
    text = words.ELLIPSIS.sub("", text)
    text = re.sub(r"^\s*(?:[-•·+]\s|\d+[.)]\s)", "", text).strip()
    text = words.LABEL_BRACKET.sub("", text).strip()
    match = words.LABEL_FRONT.match(text)
    if match:
        text = text[match.end() :].strip()
    text = words.LABEL_BEHIND.sub("", text).strip()
    return text.strip("\"'“”‘’「」『』«»《》[]()【】 ")


def _figures(text: str) -> tuple[Figure, ...]:
    found = []
    for match in words.FIGURE.finditer(text):
        sign = (match["sign"] or "").strip()
        number = float(match["number"][:12])
        found.append(Figure(-number if sign in ("영하", "-", "−") else number, bool(sign), match.start(), match.end()))
    return tuple(found)
