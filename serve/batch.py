"""The two ways to decode for many at once: a stream that answers join at any step, or closed batches."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Protocol

import torch

from data.prompts import prompt_messages
from data.reading import Reading
from data.source import SOURCE, read_source
from models.decode import CannotDecodeError, Drafts, LeanBody, Stream, Wanted, can_be_lean, quickest_dtype, use_half
from models.dtype import half_is_fast
from models.generate import Plan, stock_rows, stop_ids
from models.merge import merged_copy
from models.template import prompt_ids
from models.vocabulary import cut_vocabulary, kept_words, task_words
from serve.choose import Chosen

_APART = (Reading(1, 1), Reading(-1, 1), Reading(20, 1))
"""Readings whose prompts differ in the first token that a reading decides."""


class Batch(Protocol):
    """Answers on their way; see :class:`models.decode.Stream`."""

    @property
    def free(self) -> int:
        """How many answers can join."""
        ...

    @property
    def working(self) -> tuple[Wanted, ...]:
        """The answers at work."""
        ...

    def advance(self, joining: Sequence[Wanted] = ()) -> list[Wanted]:
        """Let answers join and take all further; returns those now done."""
        ...

    def leave(self, leaving: Iterable[Wanted]) -> None:
        """Take answers out."""
        ...


class ClosedBatch:
    """For models that keys in slots cannot follow, quantised ones among them: what joins is decoded to its end."""

    working: tuple[Wanted, ...] = ()

    def __init__(self, model: Any, stops: list[int], max_new_tokens: int, rows: int) -> None:
        self._model, self._stops, self._max_new_tokens, self.free = model, stops, max_new_tokens, rows

    def advance(self, joining: Sequence[Wanted] = ()) -> list[Wanted]:
        """Decode them all through ``transformers.generate``, one batch for each temperature."""
        by_temperature: defaultdict[float, list[Wanted]] = defaultdict(list)
        for wanted in joining:
            by_temperature[wanted.temperature].append(wanted)
        with torch.inference_mode():
            for temperature, group in by_temperature.items():
                prompts = [list(wanted.prompt) for wanted in group]
                seed = int(torch.randint(2**31, ()))
                plan = Plan(prompts, 1, temperature, self._max_new_tokens, self.free, seed, self._stops)
                for row in stock_rows(self._model, plan):
                    group[row.prompt].tokens = row.tokens
                    group[row.prompt].finished = row.finished
        return list(joining)

    def leave(self, leaving: Iterable[Wanted]) -> None:
        """Nothing stays between two calls."""


def open_batch(chosen: Chosen, prompt: "PromptWriter", *, max_new_tokens: int, rows: int) -> Batch:
    """Merge the adapter and make the model ready.

    A whole head is cut to the words a notice may be written with (:mod:`models.vocabulary`): what is cut away could
    only stand in answers that fail. On a CPU the layers work in the precision that it is fastest at, Gemma 3's also in
    fewer steps (:mod:`models.decode.lean`).
    """
    merged = merged_copy(chosen.model)
    stops = stop_ids(merged, chosen.tokenizer)
    if kept_words(merged) is None:
        cut_vocabulary(merged, {*task_words(chosen.tokenizer, ()), *stops})
    body = LeanBody(merged, quickest_dtype()) if can_be_lean(merged) else None
    if body is None and merged.dtype == torch.float32 and merged.device.type == "cpu" and half_is_fast():
        use_half(merged)
    try:
        return Stream(
            merged,
            chosen.tokenizer,
            prompt.prefix,
            stops=stops,
            max_new_tokens=max_new_tokens,
            rows=rows,
            body=body,
            drafts=_drafts(chosen.tokenizer),
        )
    except CannotDecodeError as error:
        print(f"ondo: this model decodes through transformers.generate, which is slower: {error}", file=sys.stderr)
        return ClosedBatch(merged, stops, max_new_tokens, rows)


def _drafts(tokenizer: Any) -> Drafts:
    """Guesses that begin with the written examples; what the service writes adds to them."""
    drafts = Drafts(tokenizer.convert_tokens_to_ids(list("0123456789")))
    for notice in read_source(SOURCE):
        drafts.learn(tokenizer(notice.text, add_special_tokens=False)["input_ids"])
    return drafts


class PromptWriter:
    """A reading's token ids, with the chat template or as bare text.

    Args:
        tokenizer: of the model.
        chat: with the template.
    """

    def __init__(self, tokenizer: Any, chat: bool) -> None:
        self._tokenizer, self._chat = tokenizer, chat
        first, *others = (self(reading) for reading in _APART)
        same = takewhile(lambda tokens: len(set(tokens)) == 1, zip(first, *others, strict=False))
        self.prefix = [tokens[0] for tokens in same]
        """What every prompt begins with."""

    def __call__(self, reading: Reading) -> list[int]:
        """The prompt of a reading."""
        if self._chat:
            return prompt_ids(self._tokenizer, reading)
        text = "\n\n".join(message["content"] for message in prompt_messages(reading)) + "\n"
        return [int(token) for token in self._tokenizer(text)["input_ids"]]
