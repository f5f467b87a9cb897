"""Hand-made evaluations: a record is a reading and, for each answer, the rules that fail."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from data.prompts import prompt_hash
from data.reading import Reading
from eval.record import Evaluation, Generation, JudgedNotice, Record
from rewards.rubric import DEFAULT_RUBRIC
from rewards.verdict import RULES, RuleResult, Verdict

NOTICE = "어제보다 {}도 달라졌으니 공원에서 느긋하게 걸어 보세요."


def verdict(*failed: str, state: bool = True, advice: bool = True) -> Verdict:
    rules = tuple(RuleResult(n, n not in failed, None, f"no {n}" if n in failed else None) for n in RULES)
    return Verdict(rules, {"state": state, "advice": advice})


def answer(*failed: str, text: str = "", seconds: float = 1.0, tokens: int = 30, soft: bool = True) -> JudgedNotice:
    return JudgedNotice(text or NOTICE.format(7), tokens, True, seconds, verdict(*failed, state=soft, advice=soft))


def record(yesterday: int, today: int, *answers: JudgedNotice) -> Record:
    return Record(Reading(yesterday, today), answers or (answer(),))


def evaluation(records: Sequence[Record], *, temperature: float | None = None, **changes: Any) -> Evaluation:
    samples = len(records[0].answers)
    if temperature is None:
        temperature = 0.0 if samples == 1 else 1.0
    made = Evaluation(
        run="sft-20260101-000000-abcdef",
        stage="sft",
        model="tiny-random",
        split="test-mini",
        split_size=200,
        weights_hash="0" * 64,
        adapter_hash="1" * 64,
        template_hash="2" * 64,
        prompt_hash=prompt_hash(),
        rubric=DEFAULT_RUBRIC,
        generation=Generation(samples=samples, temperature=temperature),
        device="cpu",
        created="2026-01-01T00:00:00+00:00",
        records=tuple(records),
    )
    return replace(made, **changes)
