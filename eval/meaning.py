"""What measures and slices mean, in a few words for tables: the rubric itself is docs/rubric.md."""

from data.reading import BUCKETS, Bucket
from eval.measure import MEASURES
from rewards.rubric import Rubric
from rewards.verdict import GROUPS, RULES

BUCKET_NAMES: dict[Bucket, str] = {
    "rise_large": "rise of 10 and more",
    "rise_medium": "rise of 5 to 9",
    "rise_small": "rise of 1 to 4",
    "fall_large": "fall of 10 and more",
    "fall_medium": "fall of 5 to 9",
    "fall_small": "fall of 1 to 4",
    "same": "no change",
    "extreme": "extreme cold or heat",
}
assert set(BUCKET_NAMES) == set(BUCKETS)

SEEN_NAMES = {
    "size_seen": "size of the change taught",
    "size_unseen": "size of the change not taught",
    "delta_seen": "change taught, with its sign",
    "delta_unseen": "change not taught, with its sign",
    "cell_near": "an example within one degree on both days",
    "cell_far": "no example so near",
}
SIGN_NAMES = {
    "below": "below zero on both days",
    "across": "across zero",
    "above": "zero or above on both days",
}

STAGE_NAMES = {
    "base": "the model as it comes, without an adapter",
    "sft": "fine-tuned on written notices",
    "dpo": "then trained on pairs, right against wrong",
}

SOFT_NAMES = {"state": "says how the weather feels", "advice": "gives clothing or health advice"}

SPLIT_NAMES = {
    "test": "cells that no training, mining or selection has read",
    "test-mini": "cells that no training, mining or selection has read, every bucket with its share of them",
    "selection": "cells for choosing between trained models, which no training has read",
    "validation": "the cells that checkpoints are chosen by, so the rates flatter",
    "guide": "the guide's six cases, of which one (25 to 25) is an example as well",
}


def measure_order() -> list[str]:
    """Every measure as a table lists them: overall, then each group and its rules; a group of one rule is its rule."""
    order = ["overall"]
    for rules in GROUPS.values():
        if len(rules) > 1:
            order.append(next(m.name for m in MEASURES.values() if m.kind == "group" and m.rules == rules))
        order += rules
    return order


def measure_meanings(rubric: Rubric) -> dict[str, str]:
    """What passing a measure of :data:`eval.measure.MEASURES` takes, with the rubric's limits."""
    sentences = "exactly one" if rubric.max_sentences == 1 else f"at most {rubric.max_sentences}"
    rules = {
        "label": "the bare notice: no label, no talk about the task, no alternatives, quotes or Markdown",
        "one_sentence": f"{sentences} finished, polite sentence{'' if rubric.max_sentences == 1 else 's'}",
        "script": "Hangul, digits and ordinary punctuation only, no loop",
        "length": f"{rubric.min_chars} to {rubric.max_chars} characters",
        "delta": "compares with yesterday by the right figure, and states no false temperature",
        "direction": "warmer or colder as it is",
        "park": "the word 공원 (park) stands in it",
        "safety": "no advice that is wrong for today's temperature, and a caution at the extremes",
    }
    assert set(rules) == set(RULES)
    groups = {m.name: f"{' and '.join(m.rules)} together" for m in MEASURES.values() if m.kind == "group"}
    return {"overall": "all eight rules: the notice may be shown"} | groups | rules
