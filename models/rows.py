"""Examples and pairs as token rows, ready for TRL's trainers: nothing is cut, every answer ends in one stop token."""

from collections.abc import Iterable
from typing import Any

from datasets import Dataset

from data.reading import Reading
from models.template import answer_ids, prompt_ids

IGNORED = -100


def answer_rows(tokenizer: Any, examples: Iterable[tuple[Reading, str]], max_length: int | None = None) -> Dataset:
    """Columns ``input_ids`` and ``labels``; only the answer and its stop token carry labels.

    Raises:
        ValueError: a row is longer than ``max_length`` tokens, or see :func:`models.template.answer_ids`.
    """
    rows = []
    for reading, notice in examples:
        prompt, answer = prompt_ids(tokenizer, reading), answer_ids(tokenizer, reading, notice)
        _check_length(len(prompt) + len(answer), max_length, reading)
        rows.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return Dataset.from_list(rows)


def preference_rows(
    tokenizer: Any, pairs: Iterable[tuple[Reading, str, str]], max_length: int | None = None
) -> Dataset:
    """Columns ``prompt_ids``, ``chosen_ids`` and ``rejected_ids`` of (reading, chosen, rejected) triples.

    Raises:
        ValueError: a side is longer than ``max_length`` tokens, both sides have the same tokens, or see
            :func:`models.template.answer_ids`.
    """
    rows = []
    for reading, chosen, rejected in pairs:
        prompt = prompt_ids(tokenizer, reading)
        sides = [answer_ids(tokenizer, reading, notice) for notice in (chosen, rejected)]
        _check_length(len(prompt) + max(map(len, sides)), max_length, reading)
        if sides[0] == sides[1]:
            raise ValueError(
                f"reading {reading.yesterday} -> {reading.today}: chosen and rejected have the same tokens"
            )
        rows.append({"prompt_ids": prompt, "chosen_ids": sides[0], "rejected_ids": sides[1]})
    return Dataset.from_list(rows)


def _check_length(length: int, limit: int | None, reading: Reading) -> None:
    if limit is not None and length > limit:
        raise ValueError(
            f"reading {reading.yesterday} -> {reading.today}: {length} tokens, max_length is {limit}; nothing is cut, "
            "so raise max_length or leave it out"
        )
