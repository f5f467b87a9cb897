"""The rule ``park`` and the two soft measures."""

from rewards.text import Text
from rewards.verdict import RuleResult
from rewards.words import ADVICE_, STATE_

_PARK = "공원"


def park(text: Text) -> RuleResult:
    """The word 공원 stands in the text, alone or in a compound (호수공원)."""
    passed = _PARK in text.seen and (any(_PARK in form for form in text.morphemes.forms) or _at_word_start(text.seen))
    return RuleResult("park", passed, _PARK if passed else None, None if passed else "the word 공원 is missing")


def _at_word_start(seen: str) -> bool:
    return seen.startswith(_PARK) or any(before + _PARK in seen for before in (" ", "\n", "(", "'", '"', "[", "*"))


def soft(text: Text) -> dict[str, bool]:
    """``state``: how the weather feels; ``advice``: clothing or health advice."""
    marks = text.morphemes.present
    return {"state": bool(marks & STATE_), "advice": bool(marks & ADVICE_)}
