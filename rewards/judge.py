"""The judge: pure functions from messages and their two temperatures to verdicts."""

from collections.abc import Sequence

from rewards import change, content, form, labels, safety, sentence
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.text import Text, prepare
from rewards.verdict import Verdict


def judge(message: str, yesterday: int, today: int, rubric: Rubric = DEFAULT_RUBRIC) -> Verdict:
    """Judge one message against yesterday's and today's temperature (whole degrees Celsius)."""
    return judge_batch([(message, yesterday, today)], rubric)[0]


def judge_batch(items: Sequence[tuple[str, int, int]], rubric: Rubric = DEFAULT_RUBRIC) -> list[Verdict]:
    """Judge (message, yesterday, today) triples; the same verdicts as ``judge``, faster."""
    texts = prepare([message for message, _, _ in items])
    return [_verdict(text, yesterday, today, rubric) for text, (_, yesterday, today) in zip(texts, items, strict=True)]


def _verdict(text: Text, yesterday: int, today: int, rubric: Rubric) -> Verdict:
    delta, direction = change.change(text, yesterday, today)
    return Verdict(
        rules=(
            labels.label(text.seen, text.plain),
            sentence.one_sentence(text, rubric),
            form.script(text.seen),
            form.length(text.whole, rubric),
            delta,
            direction,
            content.park(text),
            safety.safety(text.morphemes, today, rubric),
        ),
        soft=content.soft(text),
    )
