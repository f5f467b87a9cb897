"""The rules of form: label, one sentence, script, length."""

import re

from rewards import words
from rewards.rubric import Rubric
from rewards.text import Text
from rewards.verdict import RuleResult

_LABEL_CHECKS = (
    ("a label in front", words.LABEL_FRONT),
    ("a bracketed label", words.LABEL_BRACKET),
    ("a label behind", words.LABEL_BEHIND),
    ("talk about the text", words.META),
    ("an alternative", words.ALTERNATIVE),
    ("an ellipsis", words.ELLIPSIS),
    ("brackets around the text", words.WRAPPED),
    ("quotes", words.QUOTES),
    ("Markdown or a list mark", words.MARKDOWN),
    ("a special token", words.SPECIAL),
)
_FINAL = re.compile(r"(?:(?:[습읍]니|[가-힣]니)[다까]|요|죠|시다|시오|쇼)[.!?]$")
_ORDINARY = re.compile(r"[가-힣0-9 .,!?~:;'\"()\[\]\-/%℃°·−\n]")
_CELSIUS = re.compile(r"°\s?C")


def label(text: str) -> RuleResult:
    """The text is the bare notice."""
    for what, pattern in _LABEL_CHECKS:
        match = pattern.search(text)
        if match:
            return RuleResult("label", False, match[0].strip(), f"{what}: {match[0].strip()!r}")
    return RuleResult("label", True, None, None)


def one_sentence(text: Text, rubric: Rubric) -> RuleResult:
    """At most ``max_sentences`` complete sentences on one line, the last with a polite ending and one mark."""
    if "\n" in text.whole or "\r" in text.whole:
        return RuleResult("one_sentence", False, "line feed", "the text has more than one line")
    if not _FINAL.search(text.bare):
        tail = text.bare[-12:]
        return RuleResult("one_sentence", False, tail, f"no polite final ending with one mark at the end: {tail!r}")
    ends = _sentence_ends(text)
    if len(ends) + 1 > rubric.max_sentences:
        second = text.bare[ends[0] :].strip(" .,!?")
        return RuleResult("one_sentence", False, second, f"a second sentence follows: {second!r}")
    return RuleResult("one_sentence", True, len(ends) + 1, None)


def _sentence_ends(text: Text) -> list[int]:
    """Ends of the finished sentences before the last one."""
    last = len(text.bare.rstrip(" .!?"))
    ends: list[int] = []
    for number, (form, tag, _start, end) in enumerate(text.tokens):
        if tag == "SF" and end < last:
            ends.append(end)
        if tag != "EF" or end >= last or not re.search(r"(?:다|요|죠|까|오|쇼)$", form):
            continue
        following = text.tokens[number + 1][1] if number + 1 < len(text.tokens) else ""
        if following != "SF" and not following.startswith("J"):
            ends.append(end)
    return sorted(ends)


def script(text: str) -> RuleResult:
    """Korean script and ordinary punctuation only, and no loop of words."""
    for character in _CELSIUS.sub("°", text):
        if not _ORDINARY.match(character):
            name = f"U+{ord(character):04X}"
            return RuleResult("script", False, name, f"{character!r} ({name}) is no Korean script or punctuation")
    loop = _loop(text)
    if loop:
        return RuleResult("script", False, loop, f"the words {loop!r} repeat")
    return RuleResult("script", True, None, None)


def _loop(text: str) -> str | None:
    parts = [part.strip(".,!?") for part in text.split()[:400]]
    for size in range(1, 13):
        times = 3 if size <= 2 else 2
        for start in range(len(parts) - size * times + 1):
            phrase = parts[start : start + size]
            if all(parts[start + size * k : start + size * (k + 1)] == phrase for k in range(1, times)):
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
