"""What the beginning of a message already gets wrong, for answers that are still being written.

Some rules ask for what may yet come (advice, a direction), others forbid what must not stand there; a beginning can
only break the latter. A word that follows may still mend it (a denial does), so this is a hint to turn back, not a
verdict.
"""

import re

from rewards import form, labels, safety
from rewards.change import told_signs, untruth
from rewards.figures import figures
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.text import prepare, whole

_FOLLOWED = re.compile(r" (?!(?:더|덜)$)")
"""What a figure is of is often said by the word behind it: 16도 올라, 6도나 더 떨어져."""


def too_long(beginning: str, rubric: Rubric = DEFAULT_RUBRIC) -> bool:
    """Whether the beginning of a message is longer than a whole one may be, so that no other word can mend it."""
    return len(whole(beginning)) > rubric.max_chars


def too_short(message: str, rubric: Rubric = DEFAULT_RUBRIC) -> bool:
    """Whether a message that is to end here would be shorter than it may be."""
    return len(whole(message)) < rubric.min_chars


def goes_wrong(beginning: str, yesterday: int, today: int, rubric: Rubric = DEFAULT_RUBRIC) -> str | None:
    """The first rule that the beginning of a message breaks with what it says, or None.

    Args:
        beginning: whole words.
        yesterday: temperature, whole degrees Celsius.
        today: likewise.
        rubric: the thresholds.
    """
    [text] = prepare([beginning])
    found = figures(text.seen, text.morphemes)
    if untruth(text, [figure for figure in found if _FOLLOWED.search(text.seen[figure.end :])], yesterday, today):
        return "delta"
    told = told_signs(text.morphemes, found)
    if told and told != [(today > yesterday) - (today < yesterday)]:
        return "direction"
    if safety.wrong_for(text.morphemes, today, rubric):
        return "safety"
    if not labels.label(text.seen, text.plain).passed:
        return "label"
    return None if form.script(text.seen).passed else "script"
