"""A message made ready for the rules: normalised text, bare text, and the morphemes of both."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_

from kiwipiepy import Kiwi, Token

from rewards import words
from rewards.labels import bare, is_plain

LONGEST = 1000
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

    bounds: list[int]
    """Index of the first morpheme of each clause, and the number of morphemes last."""
    size: int
    """How many morphemes there are."""
    present: int
    """All marks that some morpheme carries."""
    compared: dict[int, list[str]] = field(default_factory=dict, repr=False, compare=False)
    """What each clause compares with, as far as :func:`rewards.comparison.standards` was asked."""

    def marked(self, mark: int) -> list[int]:
        """Indices of the morphemes that carry ``mark``."""
        if not self.present & mark:
            return []
        return [index for index, marks in enumerate(self.marks) if marks & mark]

    def clause_start(self, index: int) -> int:
        """Index of the first morpheme of the clause of ``index``."""
        return self.bounds[self.clause[index]]

    def clause_end(self, index: int) -> int:
        """One past the last morpheme of the clause of ``index``."""
        return self.bounds[self.clause[index] + 1]


@dataclass(frozen=True, slots=True)
class Text:
    """One message under judgement."""

    whole: str
    """In NFC, stripped."""
    seen: str
    """Its first ``LONGEST`` code points."""
    plain: bool
    """Whether ``seen`` holds nothing but a sentence in Hangul, figures and closing marks."""
    bare: str
    """``seen`` without labels, quotes, brackets around it, Markdown, ellipses, special tokens and pictures."""
    morphemes: Morphemes
    """Of ``seen``."""
    bare_morphemes: Morphemes
    """Of ``bare``."""


@cache
def _kiwi() -> Kiwi:
    kiwi = Kiwi(num_workers=1, load_default_dict=False, load_typo_dict=False, load_multi_dict=False)
    # The default beam is 8; at 4 the analyser is a fifth faster; one of 10,708 corrupted notices is judged otherwise.
    kiwi.global_config.cutoff_threshold = 4.0
    for word in sorted(words.TAUGHT):
        kiwi.add_user_word(word, "NNG", -3.0)
    return kiwi


def whole(message: str) -> str:
    """A message as its length is counted: in NFC, stripped."""
    return unicodedata.normalize("NFC", message).strip()


def prepare(messages: Sequence[str]) -> list[Text]:
    """Normalise and analyse messages, in one pass of the analyser."""
    wholes = [whole(message) for message in messages]
    seens = [whole[:LONGEST] for whole in wholes]
    plains = [is_plain(seen) for seen in seens]
    bares = [seen if plain else bare(seen) for seen, plain in zip(seens, plains, strict=True)]
    analysed = dict(zip(once := dict.fromkeys(seens), _analysed(once), strict=True))
    parts = [_part(analysed[seen], inner) for seen, inner in zip(seens, bares, strict=True)]
    rest = dict.fromkeys(inner for inner, part in zip(bares, parts, strict=True) if part is None)
    analysed_rest = dict(zip(rest, _analysed(rest), strict=True))
    return [
        Text(whole, seen, plain, inner, analysed[seen], analysed_rest[inner] if part is None else part)
        for whole, seen, plain, inner, part in zip(wholes, seens, plains, bares, parts, strict=True)
    ]


def _part(m: Morphemes, inner: str) -> Morphemes | None:
    """The morphemes of ``inner`` as they stand in the longer text; None where its ends cut through one."""
    if len(inner) == len(m.text):
        return m
    start = m.text.find(inner)
    if start < 0 or not inner:
        return None
    end = start + len(inner)
    first, last = bisect_left(m.starts, start), bisect_left(m.starts, end)
    if first == last or m.starts[first] != start or m.ends[last - 1] != end or (first and m.ends[first - 1] > start):
        return None
    inside = slice(first, last)
    return Morphemes(
        inner,
        m.forms[inside],
        m.tags[inside],
        [position - start for position in m.starts[inside]],
        [position - start for position in m.ends[inside]],
        m.marks[inside],
        *_clauses(m.forms[inside], m.tags[inside]),
        reduce(or_, m.marks[inside], 0),
    )


def _analysed(texts: Iterable[str]) -> Iterator[Morphemes]:
    # One call a text: handing texts to the analyser's own thread costs more than it gains on one core.
    kiwi = _kiwi()
    for text in map(_analysable, texts):
        yield _morphemes(text, kiwi.tokenize(text))


_STRANGE = re.compile("[*#`_|{}\ud800-\udfff\U00010000-\U0010ffff]")


def _analysable(text: str) -> str:
    """The text with a blank in the place of each mark and of what the analyser cannot read or would count as two."""
    return _STRANGE.sub(" ", text) if _STRANGE.search(text) else text


_JOINED = {("겉", "옷"): "겉옷", ("더", "위"): "더위", ("추", "위"): "추위", ("어", "저"): "어제", ("비", "하"): "비하"}
"""Words that the analyser sometimes takes apart (어제가 as 어, 제가; 에 비하면 as rain)."""
_SECOND = frozenset(second for _, second in _JOINED)
_REGULAR = {tag + mark: tag for tag in ("VV", "VA", "VX", "XSA") for mark in ("-R", "-I")}


def _morphemes(text: str, tokens: Sequence[Token]) -> Morphemes:
    forms = [token.form for token in tokens]
    tags = [_REGULAR.get(tag, tag) for tag in [token.tag for token in tokens]]
    starts = [token.start for token in tokens]
    ends = [token.end for token in tokens]
    for index in [k for k, form in enumerate(forms) if form in _SECOND and k][::-1]:
        if (forms[index - 1], forms[index]) in _JOINED and ends[index - 1] == starts[index]:
            forms[index - 1 : index + 1] = [_JOINED[forms[index - 1], forms[index]]]
            tags[index - 1 : index + 1] = ["NNG"]
            del starts[index], ends[index - 1]
    for index in [k for k, tag in enumerate(tags) if tag == "VA" and forms[k][-1] == "하" and len(forms[k]) > 2][::-1]:
        forms[index : index + 1] = [forms[index][:-1], "하"]  # 쌀쌀하/VA is 쌀쌀/XR + 하/XSA elsewhere
        tags[index : index + 1] = ["XR", "XSA"]
        starts.insert(index, starts[index])
        ends.insert(index, ends[index])
    lexicon = words.LEXICON
    marks = [lexicon.get(form, 0) for form in forms]
    return Morphemes(text, forms, tags, starts, ends, marks, *_clauses(forms, tags), reduce(or_, marks, 0))


def _clauses(forms: list[str], tags: list[str]) -> tuple[list[int], list[int], int]:
    """Clause numbers, bounds and size: a clause ends behind a connective, adnominal or final ending and a closing mark.

    Endings that join a verb to its auxiliary (``올라 있다``, ``높지 않다``), the adverb ending ``-게`` and the endings
    of verbs that work as particles (``어제에 비해``) end none.
    """
    numbers: list[int] = []
    bounds = [0]
    for index in [k for k, tag in enumerate(tags) if tag in _CLOSING]:
        if _closes(forms, tags, index):
            numbers += [len(bounds) - 1] * (index + 1 - len(numbers))
            bounds.append(index + 1)
    if len(numbers) < len(forms) or not forms:
        numbers += [len(bounds) - 1] * (len(forms) - len(numbers))
        bounds.append(len(forms))
    return numbers, bounds, len(forms)


def _closes(forms: list[str], tags: list[str], index: int) -> bool:
    """Whether the ending or mark at ``index`` closes a clause."""
    form, tag = forms[index], tags[index]
    if tag in ("SF", "EF"):
        return True
    if form == "나" and tags[index - 1] == "VCP" and tags[index - 2] in ("XSN", "NNB"):  # 8도씩이나
        return False
    if form == "게" or index + 1 == len(forms) or tags[index + 1] == "VX":
        return False
    if form == "지" and not words.NEGATING.isdisjoint(forms[index + 1 : index + 3]):
        return False
    stem = index - 1
    while stem > 0 and tags[stem] in ("EP", "XSV", "XSA"):
        stem -= 1
    return stem < 0 or forms[stem] not in words.AS_PARTICLE


_CLOSING = frozenset(("EC", "ETM", "EF", "SF"))
