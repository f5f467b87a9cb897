"""Korean by morphemes: find clauses, re-inflect verbs, and keep particles in agreement after a substitution.

A word here is an eojeol: what stands between two spaces. Morphemes and tags are kiwipiepy's (Sejong tag set); a
changed word is spelled by its ``join``, so irregular stems and contractions come out right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from kiwipiepy import Kiwi

Morpheme = tuple[str, str]
"""Form and tag."""

_PARTICLES = (
    ("으로", "로"),
    ("이나", "나"),
    ("이라", "라"),
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
)


_FOLLOWING = r"에|도(?=[\s,]|$)|만|의|까지|부터|마다|보다|처럼|밖|뿐|이(?:니|면|었|지)|인|일(?!곱)|입니다|여서"
"""What may follow a noun in its word and does not change with the noun's last sound."""

_ENDINGS = (("으니", "니"), ("으니까", "니까"), ("으며", "며"), ("으면", "면"), ("으면서", "면서"), ("으므로", "므로"))
"""Endings that begin with -으- after a consonant; kiwipiepy joins them as they are given."""


@dataclass(frozen=True)
class Token:
    """A morpheme with its place in the text: code points ``start`` to ``end``, and the index of its word."""

    form: str
    tag: str
    start: int
    end: int
    word: int

    @property
    def morpheme(self) -> Morpheme:
        """Form and tag."""
        return self.form, self.tag

    def is_a(self, *tags: str) -> bool:
        """Whether the tag is one of ``tags``, regular and irregular inflection (``-R``, ``-I``) alike."""
        return self.tag.split("-")[0] in tags


@cache
def _kiwi() -> Kiwi:
    return Kiwi(num_workers=1)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[Token, ...]:
    """The morphemes of a text, in order."""
    return tuple(
        Token(token.form, str(token.tag), token.start, token.start + token.len, token.word_position)
        for token in _kiwi().tokenize(text)
    )


def spell(morphemes: Sequence[Morpheme]) -> str:
    """The surface form of a chain of morphemes, endings in the form that the stem before them asks for."""
    chain = list(morphemes)
    for index in range(1, len(chain)):
        form, tag = chain[index]
        for closed, opened in _ENDINGS:
            if form in (closed, opened):
                chain[index] = (closed if _closed(chain[index - 1][0]) else opened, tag)
    return str(_kiwi().join(chain))


def _closed(form: str) -> bool:
    """Whether a stem takes the endings with -으-: it closes with a consonant other than ㄹ."""
    return has_final_consonant(form) and (ord(form[-1]) - ord("가")) % 28 != 8


def word_end(found: Sequence[Token], index: int) -> int:
    """One past the last token of the word that token ``index`` stands in, closing punctuation left out."""
    end = index + 1
    while end < len(found) and found[end].word == found[index].word and not found[end].tag.startswith("S"):
        end += 1
    return end


def chain_start(found: Sequence[Token], index: int) -> int:
    """Index of the stem that the ending at ``index`` belongs to, auxiliaries of the same word included."""
    start = index
    while start and found[start - 1].word == found[index].word and not found[start].is_a("VV", "VA", "XR"):
        start -= 1
    return start


def has_final_consonant(word: str) -> bool:
    """Whether the last Hangul syllable closes with a consonant (받침)."""
    return "가" <= word[-1] <= "힣" and (ord(word[-1]) - ord("가")) % 28 != 0


def agree(word: str, particle: str) -> str:
    """The form of ``particle`` that follows ``word``: ``agree("강변", "를")`` is ``을``."""
    for closed, opened in _PARTICLES:
        if particle in (closed, opened):
            if closed == "으로" and (ord(word[-1]) - ord("가")) % 28 == 8:  # after ㄹ: 숲길로
                return opened
            return closed if has_final_consonant(word) else opened
    return particle


def replace_noun(text: str, old: str, new: str, count: int = 0, read: str | None = None) -> str:
    """Put ``new`` where the noun ``old`` stands, its particle brought into agreement.

    Args:
        text: a notice.
        old: a Korean noun, found only where it is the whole noun: 산책 in 산책을, not in 산책로.
        new: what takes its place.
        count: at most so many places; 0 replaces all.
        read: how ``new`` is read aloud, when it is not Korean; the particle follows the reading.
    """
    particles = "|".join(form for pair in _PARTICLES for form in pair if agree(old, form) == form)
    pattern = rf"(?<![가-힣]){re.escape(old)}(?:({particles})(?=[\s,.!?]|$)|(?=[\s,.!?]|$|{_FOLLOWING}))"
    return re.sub(pattern, lambda match: new + (agree(read or new, match[1]) if match[1] else ""), text, count=count)


@dataclass(frozen=True)
class Clause:
    """A clause that a connective closes.

    Attributes:
        end: code point behind the connective (before a comma, if one follows).
        strong: the connective sets two statements side by side (-니, -지만, -므로, -는데), so that a full stop may
            stand there; weaker ones (-아/어, -고, -며) often join parts of one action.
        finished: the text up to ``end`` with a polite final ending in the connective's place, no full stop.
        linked: the same with ``-(으)니``, so that any other clause may follow.
    """

    end: int
    strong: bool
    finished: str
    linked: str


_STRONG = frozenset(("니", "으니", "니까", "으니까", "지만", "므로", "으므로", "는데", "은데", "ᆫ데"))
_WEAK = frozenset(("고", "어서", "아서", "어", "아", "며", "으며", "면서", "으면서", "어도", "아도"))
_CHANGES = frozenset(
    (
        *("오르", "내리", "떨어지", "올라가", "내려가", "올라서", "내려서", "뛰", "뛰어오르", "치솟", "꺾이", "풀리"),
        *("누그러지", "상승", "하락", "하강"),
    )
)
_BECOMING = re.compile(r"[아어해져워]지$")
_STATES = frozenset(("그치", "모르", "지치", "느껴지", "이어지", "놀라", "머무르", "머물"))
"""Verbs that nobody is advised to: their clause is stated."""

_ADVERBIAL = frozenset(("비하", "비교하", "견주", "따르", "달리", "통하", "위하", "대하", "서두르"))
"""Verbs whose ``-아/어`` form works as a postposition or an adverb (어제에 비해, 그늘을 따라, 서둘러): no clause."""


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a notice that a connective ending closes, in order; auxiliary constructions are not clauses."""
    found = tokens(text)
    for index, token in enumerate(found[:-1]):
        following = found[index + 1]
        if not token.is_a("EC") or token.form not in _STRONG | _WEAK:
            continue
        if following.is_a("VX") or (following.word == token.word and not following.tag.startswith("S")):
            continue
        if token.form in ("어", "아") and following.is_a("VV"):
            continue  # 겹쳐 입고, 쉬어 가는: one action in two verbs
        start = chain_start(found, index)
        strong = token.form in _STRONG
        if found[start].is_a("VX") and not strong:
            continue  # 걷고 나서: the auxiliary is no clause of its own
        stem = [t.morpheme for t in found[start:index]]
        if not stem or any(t.is_a("EC") for t in found[start:index] if t.form not in ("어", "아")):
            continue
        if "".join(form for form, _ in stem) in _ADVERBIAL or stem[0][0] in _ADVERBIAL:
            continue
        head = text[: found[start].start]
        finished = spell([*stem, *final_ending(stem, strong, _has_subject(found, start))])
        if " " not in finished:
            linked = spell([*stem, *past_marker(stem), ("니", "EC")])
            yield Clause(token.end, strong, head + finished, head + linked)


def _has_subject(found: Sequence[Token], start: int) -> bool:
    """Whether the clause that ends in the stem at ``start`` states what a thing does, and is no advice."""
    for token in reversed(found[:start]):
        if token.is_a("EC") and token.form != "게":
            return False
        if token.is_a("JKS"):
            return True
    return False


def past_marker(stem: Sequence[Morpheme]) -> list[Morpheme]:
    """A past marker for verbs of change, which state what has happened (올라 -> 올랐)."""
    forms = {form for form, _ in stem}
    becomes = bool(_BECOMING.search(stem[-1][0])) and not forms & _STATES
    changes = bool(forms & _CHANGES) or becomes or stem[-1] == ("지", "VX")
    return [("었", "EP")] if changes and not any(tag == "EP" for _, tag in stem) else []


def final_ending(stem: Sequence[Morpheme], reason: bool = False, has_subject: bool = False) -> list[Morpheme]:
    """The polite final ending that fits a stem: a state or a change is stated, an action is advised (-세요).

    ``reason`` tells that the clause gives the reason or the contrast for what follows: it is stated in any case.
    """
    past = past_marker(stem)
    tense = any(tag == "EP" and form != "시" for form, tag in stem)
    acts = stem[-1][1].split("-")[0] in ("VV", "VX", "XSV") or stem[-1] == ("시", "EP")
    exists = stem[-1][0] in ("있", "없", "싶") or any(form in _STATES for form, _ in stem)
    if acts and not reason and not past and not tense and not exists:
        if has_subject:
            return [("었", "EP"), ("ᆸ니다", "EF")]
        return [("어요", "EF")] if stem[-1] == ("시", "EP") else [("세요", "EF")]
    return [*past, ("ᆸ니다", "EF")]


def after_modifier(text: str, position: int) -> bool:
    """Whether the word before ``position`` modifies what follows (관형형 or 의), so that nothing may come between."""
    before = [token for token in tokens(text) if token.end <= position]
    return bool(before) and before[-1].is_a("ETM", "JKG", "MM", "XPN")


def clause_spots(text: str) -> list[int]:
    """Places where an adverbial phrase may stand: behind a clause, its comma and space; strong connectives first."""
    strong: list[int] = []
    weak: list[int] = []
    for clause in clauses(text):
        match = re.match(r",? ", text[clause.end :])
        if match:
            (strong if clause.strong else weak).append(clause.end + match.end())
    return strong + weak
