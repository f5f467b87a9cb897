"""A message made ready for the rules: normalised text, bare text, and the morphemes of both."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from kiwipiepy import Kiwi, Token

from rewards import words
from rewards.labels import bare

LONGEST = 2000
"""Code points that the rules look at; far beyond any notice, so that every text is judged in bounded time."""


@dataclass(frozen=True, slots=True)
class Morphemes:
    """The morphemes of a text, as columns: ``forms[i]`` (verbs by stem) has tag ``tags[i]`` (kiwipiepy's tag set
    without ``-R`` and ``-I``), ``marks[i]`` (what ``words`` knows of it) and code points ``starts[i]`` to ``ends[i]``.
    """

    text: str
    forms: list[str]
    tags: list[str]
    starts: list[int]
    ends: list[int]
    marks: list[int]
    clause: list[int]
    """Number of the clause that each morpheme stands in; the closing ending belongs to it."""

    def __len__(self) -> int:
        return len(self.forms)

    def marked(self, mark: int) -> list[int]:
        """Indices of the morphemes that carry ``mark``."""
        return [index for index, marks in enumerate(self.marks) if marks & mark]

    def clause_start(self, index: int) -> int:
        """Index of the first morpheme of the clause of ``index``."""
        number = self.clause[index]
        while index and self.clause[index - 1] == number:
            index -= 1
        return index

    def clause_end(self, index: int) -> int:
        """One past the last morpheme of the clause of ``index``."""
        number, count = self.clause[index], len(self.forms)
        while index < count and self.clause[index] == number:
            index += 1
        return index


@dataclass(frozen=True, slots=True)
class Text:
    """One message under judgement."""

    whole: str
    """In NFC, stripped."""
    seen: str
    """Its first ``LONGEST`` code points."""
    bare: str
    """``seen`` without labels, quotes, brackets around it, Markdown, ellipses, special tokens and pictures."""
    morphemes: Morphemes
    """Of ``seen``."""
    bare_morphemes: Morphemes
    """Of ``bare``."""


@cache
def _kiwi() -> Kiwi:
    return Kiwi(num_workers=1, load_default_dict=False, load_typo_dict=False, load_multi_dict=False)


def prepare(messages: Sequence[str]) -> list[Text]:
    """Normalise and analyse messages, in one pass of the analyser."""
    wholes = [unicodedata.normalize("NFC", message).strip() for message in messages]
    seens = [whole[:LONGEST] for whole in wholes]
    bares = [bare(seen) for seen in seens]
    different = dict.fromkeys([*seens, *bares])
    analysed = dict(zip(different, _analysed(different), strict=True)) if different else {}
    return [
        Text(whole, seen, plain, analysed[seen], analysed[plain])
        for whole, seen, plain in zip(wholes, seens, bares, strict=True)
    ]


def _analysed(texts: Iterable[str]) -> Iterable[Morphemes]:
    plain = [_analysable(text) for text in texts]
    return (_morphemes(text, tokens) for text, tokens in zip(plain, _kiwi().tokenize(plain), strict=True))


_UNPAIRED = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")


def _analysable(text: str) -> str:
    """The text with one character in the place of what the analyser cannot read or would count as two."""
    return _UNPAIRED.sub("\ufffd", text)


_JOINED = frozenset((("겉", "옷"), ("더", "위"), ("추", "위")))
"""Nouns that the analyser sometimes takes apart."""
_SECOND = frozenset(("옷", "위"))
_REGULAR = {tag + mark: tag for tag in ("VV", "VA", "VX", "XSA") for mark in ("-R", "-I")}


def _morphemes(text: str, tokens: Iterable[Token]) -> Morphemes:
    forms: list[str] = []
    tags: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for token in tokens:
        form, tag, start, end = token.form, token.tag, token.start, token.end
        if form in _SECOND and forms and ends[-1] == start and (forms[-1], form) in _JOINED:
            forms[-1], tags[-1], ends[-1] = forms[-1] + form, "NNG", end
            continue
        if tag == "VA" and form[-1] == "하" and len(form) > 2:  # 쌀쌀하/VA is 쌀쌀/XR + 하/XSA elsewhere
            forms.append(form[:-1])
            tags.append("XR")
            starts.append(start)
            ends.append(end)
            form, tag = "하", "XSA"
        forms.append(form)
        tags.append(_REGULAR.get(tag, tag))
        starts.append(start)
        ends.append(end)
    lexicon = words.LEXICON
    marks = [lexicon.get(form, 0) for form in forms]
    return Morphemes(text, forms, tags, starts, ends, marks, _clauses(forms, tags))


def _clauses(forms: list[str], tags: list[str]) -> list[int]:
    """Clause numbers: a clause ends behind a connective, an adnominal or a final ending and behind a closing mark.

    Endings that join a verb to its auxiliary (``올라 있다``, ``높지 않다``), the adverb ending ``-게`` and the endings of
    verbs that work as particles (``어제에 비해``) end none.
    """
    numbers: list[int] = []
    number = 0
    last = len(forms) - 1
    for index, tag in enumerate(tags):
        numbers.append(number)
        if tag not in _CLOSING:
            continue
        if tag == "SF" or tag == "EF":
            number += 1
            continue
        form = forms[index]
        if form == "게" or index == last or tags[index + 1] == "VX":
            continue
        if form == "지" and any(forms[k] in words.NEGATING for k in range(index + 1, min(index + 3, last + 1))):
            continue
        stem = index - 1
        while stem > 0 and tags[stem] in ("EP", "XSV", "XSA"):
            stem -= 1
        if stem >= 0 and forms[stem] in words.AS_PARTICLE:
            continue
        number += 1
    return numbers


_CLOSING = frozenset(("EC", "ETM", "EF", "SF"))
