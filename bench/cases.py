"""What a benchmark trains on: the written examples, or pairs with a fixed number of rejected notices a prompt."""

import re
from dataclasses import dataclass
from random import Random
from typing import Any

from data.reading import Reading
from data.source import source_notices
from dpo.synthesize import synthesize
from models.rows import answer_rows, preference_rows

DEFAULT_CASES = "sft,dpo-1,dpo-4,dpo-8"
_NAME = re.compile(r"sft|dpo-([1-9]\d*)")


@dataclass(frozen=True)
class Case:
    """``sft``, or ``dpo-K`` with K rejected notices a prompt; ``items`` are examples or pairs, a prompt's together."""

    name: str
    per_prompt: int
    items: tuple[tuple[Any, ...], ...]

    @property
    def is_dpo(self) -> bool:
        """Whether an item is a pair."""
        return self.name != "sft"

    def rows(self, tokenizer: Any, first: int, count: int) -> Any:
        """Token rows of ``count`` items from ``first`` on, beginning again at the end."""
        chosen = [self.items[(first + offset) % len(self.items)] for offset in range(count)]
        return preference_rows(tokenizer, chosen) if self.is_dpo else answer_rows(tokenizer, chosen)


def make_cases(names: str) -> list[Case]:
    """The cases of a comma-separated list, on all training examples in a fixed shuffled order.

    Raises:
        ValueError: an unknown name, or too few prompts with so many rejected notices.
    """
    examples = [(notice.reading, notice.text) for notice in source_notices("train")]
    Random(0).shuffle(examples)
    return [_case(name.strip(), examples) for name in names.split(",")]


def _case(name: str, examples: list[tuple[Reading, str]]) -> Case:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"--cases: {name!r} is neither sft nor dpo-K with K rejected notices a prompt")
    if name == "sft":
        return Case(name, 1, tuple(examples))
    wanted = int(match[1])
    pairs, _ = synthesize(examples, per_example=wanted, seed=0)
    by_prompt: dict[Reading, list[tuple[Any, ...]]] = {reading: [] for reading, _ in examples}
    for pair in pairs:
        by_prompt[pair.reading].append((pair.reading, pair.chosen, pair.rejected))
    full = [group[:wanted] for group in by_prompt.values() if len(group) >= wanted]
    if len(full) < 20:
        raise ValueError(f"--cases: only {len(full)} prompts have {wanted} rejected notices")
    return Case(name, wanted, tuple(item for group in full for item in group))
