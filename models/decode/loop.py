"""Decoding many prompts: rows that stop make place for rows that wait, so the batch stays full to the end.

All prompts of a portion are laid out as one trie and computed in one pass, every token they share once; their first
token is chosen there. From then on each row at work takes one token a step.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from models.carrier import carrier
from models.decode.attention import NAME, CannotDecodeError, Pass, Prefill, Slots
from models.decode.head import Head
from models.trie.check import CannotPackError, check_model
from models.trie.install import head_scaling
from models.trie.layout import build_trie, common_prefix
from models.vocabulary import kept_words

PORTION = 512
"""Prompts computed in one pass; bounds the memory of their keys (0.3 MB a prompt for Gemma 3 270M)."""

Choose = Callable[[torch.Tensor, Sequence["Row"]], list[int]]


@dataclass(eq=False)
class Row:
    """One answer on its way.

    Attributes:
        prompt: index of its prompt.
        sample: which of the prompt's answers it is.
        tokens: what has been chosen so far, a stop token included.
        finished: whether a stop token was chosen.
        seconds: its share of the time of the passes it took part in.
    """

    prompt: int
    sample: int
    tokens: list[int] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0


@dataclass
class _Waiting:
    row: Row
    prefill: Prefill
    nodes: torch.Tensor


class Decoder:
    """A model made ready for decoding.

    Args:
        model: a transformers causal language model that is the caller's own to change, in evaluation mode.
        head: how its head is computed; None finds out what is faster.

    Raises:
        CannotDecodeError: keys in slots cannot follow how this model mixes tokens.
    """

    def __init__(self, model: Any, head: Head | None = None) -> None:
        if getattr(model, "is_quantized", False):
            raise CannotDecodeError("the model is quantised, so its adapter cannot be merged")
        try:
            check_model(model)
        except CannotPackError as error:
            raise CannotDecodeError(str(error)) from error
        if len({parameter.device for parameter in model.parameters()}) > 1:
            raise CannotDecodeError("the model is spread over several devices")
        output = model.get_output_embeddings()
        config = model.config.get_text_config()
        self._body, self._device, self._layers = model.base_model, output.weight.device, config.num_hidden_layers
        before = config._attn_implementation
        model.set_attn_implementation(NAME)
        try:
            self._prefill([[0]])
        except CannotDecodeError:
            model.set_attn_implementation(before)
            raise
        weight, bias = output.weight, getattr(output, "bias", None)
        self._words = kept_words(model)
        if self._words is not None:
            weight, bias = weight[self._words], None if bias is None else bias[self._words]
        self.head = head or Head(weight, bias, *head_scaling(config))

    def run(
        self,
        prompts: Sequence[Sequence[int]],
        choose: Choose,
        *,
        samples: int,
        stops: Sequence[int],
        max_new_tokens: int,
        rows: int,
    ) -> Iterator[Row]:
        """Decode every prompt ``samples`` times; gives rows back as they stop, in no fixed order.

        Args:
            prompts: token ids, none empty.
            choose: from hidden states of shape (N, H) and their N rows to the next word of each, by its place in
                the head.
            samples: answers a prompt.
            stops: tokens that end an answer.
            max_new_tokens: after so many an answer is cut off.
            rows: how many are at work at once.
        """
        order = sorted(range(len(prompts)), key=lambda index: list(prompts[index]))
        prefix = common_prefix(np.asarray(prompts[order[0]]), np.asarray(prompts[order[-1]]))
        portions = deque(order[start : start + PORTION] for start in range(0, len(order), PORTION))
        waiting: deque[_Waiting] = deque()
        working: list[Row] = []
        slots: Slots | None = None
        while portions or waiting or working:
            if portions and not waiting and len(working) < rows:
                portion = portions.popleft()
                first = [Row(prompt, sample) for prompt in portion for sample in range(samples)]
                started = time.perf_counter()
                prefill, paths, hidden = self._prefill([prompts[index] for index in portion])
                every = [index for index in range(len(portion)) for _ in range(samples)]
                # in groups, because sampling holds the logits of all words
                for start in range(0, len(first), rows):
                    group = slice(start, start + rows)
                    _append(first[group], self._named(choose(hidden[every[group]], first[group])), stops)
                _share(first, started)
                for row, index in zip(first, every, strict=True):
                    if _done(row, max_new_tokens):
                        yield row
                    else:
                        waiting.append(_Waiting(row, prefill, paths[index][prefix:]))
                if slots is None:
                    width = min(rows, len(prompts) * samples)
                    slots = Slots(prefill, paths[0][:prefix], width, max(map(len, prompts)) - prefix + 1)
            assert slots is not None
            while waiting and len(working) < rows:
                next_row = waiting.popleft()
                slots.admit(*next_row.prefill.of(next_row.nodes))
                working.append(next_row.row)
            if not working:
                continue
            started = time.perf_counter()
            hidden = self._step(slots, [[row.tokens[-1]] for row in working])
            _append(working, self._named(choose(hidden, working)), stops)
            _share(working, started)
            for slot in reversed(range(len(working))):
                if _done(working[slot], max_new_tokens):
                    yield working[slot]
                    slots.remove(slot)
                    working[slot] = working[-1]
                    working.pop()

    def _named(self, chosen: list[int]) -> list[int]:
        """Token ids of words that are named by their rows in the head."""
        return chosen if self._words is None else [int(token) for token in self._words[chosen]]

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Prefill, list[torch.Tensor], torch.Tensor]:
        """The pass over some prompts, the nodes of each, and the hidden states behind their last tokens (N, H)."""
        trie = build_trie(prompts)
        prefill = Prefill(trie)
        paths = [torch.from_numpy(path).to(self._device) for path in trie.rows]
        hidden = self._pass(prefill, torch.from_numpy(trie.tokens)[None], torch.from_numpy(trie.depth)[None])[0]
        if len(prefill.keys) != self._layers:
            raise CannotDecodeError(f"only {len(prefill.keys)} of its {self._layers} layers attend")
        return prefill, paths, hidden[torch.stack([path[-1] for path in paths])]

    def _step(self, slots: Slots, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Hidden states behind each of the T next tokens of the rows at work, shape (T, H), the first row's first."""
        positions = slots.begin([len(row) for row in tokens])
        return self._pass(slots, torch.tensor([[token for row in tokens for token in row]]), positions[None])[0]

    def _pass(self, work: Pass, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        out = self._body(
            input_ids=tokens.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=carrier(work),
            use_cache=False,
        )
        hidden: torch.Tensor = out.last_hidden_state
        return hidden


def _append(rows: Sequence[Row], tokens: Sequence[int], stops: Sequence[int]) -> None:
    for row, token in zip(rows, tokens, strict=True):
        row.tokens.append(token)
        row.finished = token in stops


def _share(rows: Sequence[Row], started: float) -> None:
    seconds = (time.perf_counter() - started) / len(rows)
    for row in rows:
        row.seconds += seconds


def _done(row: Row, max_new_tokens: int) -> bool:
    return row.finished or len(row.tokens) >= max_new_tokens
