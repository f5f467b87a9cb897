"""The rules of form that look at code points: script and length."""

import re

from rewards.rubric import Rubric
from rewards.verdict import RuleResult

_ORDINARY = r"가-힣0-9 .,!?~:;'\"()\[\]\-/%℃°·−\n"
_FOREIGN = re.compile(rf"[^{_ORDINARY}]")
_CELSIUS = re.compile(r"° ?C(?![A-Za-z])")
_GLUED_LOOP = re.compile(r"([가-힣]{2,12})\1\1|([가-힣])\2{4}")


def script(text: str) -> RuleResult:
    """Korean script and ordinary punctuation only, and no loop of words."""
    foreign = _FOREIGN.search(_CELSIUS.sub("°", text) if "C" in text else text)
    if foreign:
        name = f"U+{ord(foreign[0]):04X}"
        return RuleResult("script", False, name, f"{foreign[0]!r} ({name}) is no Korean script or punctuation")
    loop = _loop(text)
    if loop:
        return RuleResult("script", False, loop, f"the words {loop!r} repeat")
    return RuleResult("script", True, None, None)


def _loop(text: str) -> str | None:
    """The phrase that repeats: a word or two words three times, three and more words twice, at once."""
    glued = _GLUED_LOOP.search(text)
    if glued:
        return glued[0]
    parts = [part.strip(".,!?~:;'\"()[]-·") for part in text.split()[:400]]
    if len(set(parts)) == len(parts):
        return None
    for size in range(1, len(parts) // 2 + 1):
        times = 3 if size <= 2 else 2
        for start in range(len(parts) - size * times + 1):
            if parts[start] != parts[start + size]:
                continue
            phrase = parts[start : start + size]
            if any(phrase) and all(parts[start + size * k : start + size * (k + 1)] == phrase for k in range(1, times)):
                return " ".join(phrase)
    return None


def length(text: str, rubric: Rubric) -> RuleResult:
    """Between ``min_chars`` and ``max_chars`` code points."""
    size = len(text)
    if size < rubric.min_chars:
        return RuleResult("length", False, size, f"{size} characters, at least {rubric.min_chars} are asked for")
    if size > rubric.max_chars:
        return RuleResult("length", False, size, f"{size} characters, at most {rubric.max_chars} are allowed")
    return RuleResult("length", True, size, None)
