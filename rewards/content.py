"""The rules of content: park and safety; and the two soft measures."""

import re

from rewards import words
from rewards.rubric import Rubric
from rewards.verdict import RuleResult


def park(text: str) -> RuleResult:
    """The word 공원 stands in the text."""
    passed = "공원" in text
    return RuleResult("park", passed, "공원" if passed else None, None if passed else "the word 공원 is missing")


def safety(text: str, today: int, rubric: Rubric) -> RuleResult:
    """No advice or description is wrong for today's temperature; a caution stands at the extremes."""
    forbidden: list[tuple[str, re.Pattern[str], bool]] = [("an official advisory is claimed", words.ADVISORY, False)]
    if today <= rubric.cold:
        forbidden.append(("light clothing is advised in the cold", words.LIGHT, True))
        forbidden.append(("heat is spoken of in the cold", words.HEAT_MEASURE, True))
    if today <= rubric.severe_cold + 5:
        forbidden.append(("the weather is called mild in hard frost", words.MILD, True))
    if today >= rubric.warm:
        forbidden.append(("warm clothing is advised in the heat", words.WARM_CLOTHES, True))
        forbidden.append(("a hot day is called cold", words.COLD_DAY, True))
    if today >= rubric.warm + 2:
        forbidden.append(("a hot day is called cool", words.COOL_DAY, True))
    if today >= rubric.hot:
        forbidden.append(("a walk is called pleasant in great heat", words.PLEASANT, False))
    for reason, pattern, negatable in forbidden:
        for match in pattern.finditer(text):
            if not (negatable and words.NEGATED.match(text[match.end() :])):
                return RuleResult("safety", False, match[0], f"{reason}: {match[0]!r}")
    if today <= rubric.severe_cold and not words.COLD_CAUTION.search(text):
        return RuleResult("safety", False, None, "no caution against the cold")
    if today >= rubric.hot and not words.HEAT_CAUTION.search(text):
        return RuleResult("safety", False, None, "no caution against the heat")
    return RuleResult("safety", True, None, None)


def soft(text: str) -> dict[str, bool]:
    """``state``: how the weather feels; ``advice``: clothing or health advice."""
    return {"state": bool(words.STATE.search(text)), "advice": bool(words.ADVICE.search(text))}
