"""The rule ``one_sentence``: one complete polite sentence on one line."""

import re
from functools import lru_cache

from rewards.rubric import Rubric
from rewards.text import Morphemes, Text
from rewards.verdict import RuleResult

_POLITE = re.compile(r"(?:니다|니까|요|죠|시다|시오|쇼|(?<!하)오)$")
_CONNECTIVE = frozenset(("니까", "으니까", "ᆯ까", "을까"))
"""Endings that look polite and are not: a reason, a plain question."""
_BEFORE_YO = ("세", "어", "아", "해", "네", "까")
_PLAIN = frozenset(
    (
        "다",
        "ᆫ다",
        "는다",
        "자",
        "어라",
        "아라",
        "구나",
        "는구나",
        "네",
        "군",
        "는군",
        "ᆯ게",
        "을게",
        "ᆯ래",
        "지",
        "라",
        "을걸",
        "ᆯ걸",
        "냐",
        "니",
        "랴",
        "어",
        "아",
        "야",
        "거든",
        "란다",
        "단다",
    )
)
_QUOTING = (
    "라고",
    "라는",
    "고",
    "라며",
    "라면서",
    "하고",
    "하며",
    "하는",
    "하듯",
    "란",
    "이란",
    "라",
    "이라는",
    "이라고",
    "는",
    "며",
    "하던",
    "한",
)
_FINAL_MARK = re.compile(r"(?<=[가-힣])[.!?]$")
_CLOSERS = "\"'”’)]」』》>"


def one_sentence(text: Text, rubric: Rubric) -> RuleResult:
    """At most ``max_sentences`` complete sentences on one line, the last with a polite ending and one mark."""
    if "\n" in text.bare or "\r" in text.bare:
        return _fail("line feed", "the text has more than one line")
    tail = text.bare[-12:]
    if not _FINAL_MARK.search(text.bare):
        return _fail(tail, f"the text does not end in a sentence ending and one of . ! ?: {tail!r}")
    found = text.bare_morphemes
    last = found.size - 1
    while last >= 0 and found.tags[last] == "SF":
        last -= 1
    if last < 0 or not _polite(found, last):
        return _fail(tail, f"the last word has no polite final ending: {tail!r}")
    ends = _sentence_ends(found, last)
    if len(ends) + 1 > rubric.max_sentences:
        second = text.bare[found.ends[ends[0]] :].strip(" .,!?")
        return _fail(second, f"a second sentence follows: {second!r}")
    return RuleResult("one_sentence", True, len(ends) + 1, None)


def _fail(measured: str, reason: str) -> RuleResult:
    return RuleResult("one_sentence", False, measured, reason)


@lru_cache(maxsize=1024)
def _polite_form(form: str) -> bool:
    return bool(_POLITE.search(form))


def _polite(found: Morphemes, index: int) -> bool:
    """Whether the morpheme is a polite final ending: -ㅂ니다, -습니까, -요, -ㅂ시다, -십시오 and their kin."""
    form, tag = found.forms[index], found.tags[index]
    if form == "요" and tag == "JX" and index:
        # 계세/NNG 요/JX: the analyser takes some honorific verbs for nouns
        return found.tags[index - 1] in ("EC", "EF", "ETN") or found.forms[index - 1].endswith(_BEFORE_YO)
    return tag in ("EF", "EC") and form not in _CONNECTIVE and _polite_form(form)


_MAY_END = frozenset(("SF", "EF", "EC", "JX"))


def _sentence_ends(found: Morphemes, last: int) -> list[int]:
    """Indices of the morphemes that finish a sentence before the last one."""
    ends: list[int] = []
    for index in [k for k, tag in enumerate(found.tags[:last]) if tag in _MAY_END]:
        if found.tags[index] == "SF":
            if not (ends and _only_marks(found, ends[-1], index)) and not _quoted(found, index):
                ends.append(index)
        elif _finished(found, index) and not _quoted(found, index):
            ends.append(index)
    return ends


def _finished(found: Morphemes, index: int) -> bool:
    """Whether an ending inside the text finishes a sentence."""
    form, tag = found.forms[index], found.tags[index]
    following, form_after = found.tags[index + 1], found.forms[index + 1]
    glued = found.starts[index + 1] == found.ends[index]
    if following == "SF":
        return False  # the mark is counted
    if glued and (following.startswith(("J", "E", "V")) or form_after == "만"):
        return False  # 올랐습니다만, 걸어요라는: it goes on
    if _polite(found, index):
        return True
    return tag == "EF" and form in _PLAIN and form not in ("어", "아", "지", "니", "야", "라", "거든", "네")


def _quoted(found: Morphemes, index: int) -> bool:
    """Whether a closing quote and a quoting particle follow: ``'천천히 걸어요'라는 표어``."""
    after = found.text[found.ends[index] :].lstrip(".!?")
    rest = after.lstrip(_CLOSERS)
    if rest == after:
        return rest.startswith(("라고 ", "라는 ", "고 하", "라며 "))
    return rest.lstrip().startswith(_QUOTING) or rest[:1] not in (" ", "")


def _only_marks(found: Morphemes, start: int, end: int) -> bool:
    return all(tag in ("SF", "SS", "SSC", "SSO") for tag in found.tags[start + 1 : end])
