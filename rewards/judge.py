"""The judge: pure functions from messages and their two temperatures to verdicts."""

from collections.abc import Sequence

from rewards import change, content, form
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.text import LONGEST, Text, prepare
from rewards.verdict import Verdict


def judge(message: str, yesterday: int, today: int, rubric: Rubric = DEFAULT_RUBRIC) -> Verdict:
    """Judge one message against yesterday's and today's temperature (whole degrees Celsius)."""
    return judge_batch([(message, yesterday, today)], rubric)[0]


def judge_batch(items: Sequence[tuple[str, int, int]], rubric: Rubric = DEFAULT_RUBRIC) -> list[Verdict]:
    """Judge (message, yesterday, today) triples; the same verdicts as ``judge``, faster."""
    texts = prepare([message for message, _, _ in items])
    return [_verdict(text, yesterday, today, rubric) for text, (_, yesterday, today) in zip(texts, items, strict=True)]


def _verdict(text: Text, yesterday: int, today: int, rubric: Rubric) -> Verdict:
    seen = text.whole[:LONGEST]
    return Verdict(
        rules=(
            form.label(seen),
            form.one_sentence(text, rubric),
            form.script(seen),
            form.length(text.whole, rubric),
            change.delta(text, yesterday, today),
            change.direction(text, yesterday, today),
            content.park(seen),
            content.safety(seen, today, rubric),
        ),
        soft=content.soft(seen),
    )
