"""The rules as TRL reward functions, for ``GRPOTrainer``, ``RLOOTrainer`` and their kin.

Each takes ``(prompts, completions, **columns)`` and returns one float a completion: 1.0 where its rule passes, else
0.0. The data set must have the columns ``yesterday`` and ``today``; completions are texts or chats.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric
from rewards.verdict import RULES, RuleName, Verdict

Completion = str | Sequence[dict[str, str]]


@lru_cache(maxsize=1)
def _judged(items: tuple[tuple[str, int, int], ...], rubric: Rubric) -> list[Verdict]:
    """The verdicts of a batch; the trainer hands the same one to every reward function in turn."""
    return judge_batch(items, rubric)


class RuleReward:
    """Reward of one rule, or of all eight; an object of a module, so that it can be pickled."""

    def __init__(self, rule: RuleName | None = None, rubric: Rubric = DEFAULT_RUBRIC) -> None:
        self.rule = rule
        self.rubric = rubric
        self.__name__ = f"rule_{rule or 'all'}"

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        yesterday: Sequence[int],
        today: Sequence[int],
        **columns: Any,
    ) -> list[float]:
        """1.0 for every completion that passes, else 0.0.

        Raises:
            TypeError: a column is missing.
            ValueError: the columns and the completions differ in length.
        """
        texts = [completion if isinstance(completion, str) else completion[-1]["content"] for completion in completions]
        verdicts = _judged(tuple(zip(texts, yesterday, today, strict=True)), self.rubric)
        return [float(v.passed if self.rule is None else v.rule(self.rule).passed) for v in verdicts]


def rule_rewards(rubric: Rubric = DEFAULT_RUBRIC) -> list[RuleReward]:
    """One reward function a rule, in the order of ``RULES``, then the one that asks for all eight."""
    return [*[RuleReward(rule, rubric) for rule in RULES], RuleReward(None, rubric)]
