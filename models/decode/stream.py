"""Decoding without an end: answers join a batch at work and leave it at any time, each with its own temperature.

What all prompts begin with is computed once, when the stream is made; an answer that joins costs the rest of its
prompt. Answers that join together and share more than that (samples of one reading) share it here too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from models.decode.attention import Pass, Prefill, Slots
from models.decode.figures import Figures
from models.decode.lean import LeanBody, Product
from models.decode.loop import Decoder
from models.decode.sampling import draw
from models.trie.layout import Trie, build_trie


@dataclass(eq=False)
class Wanted:
    """One answer that is wanted.

    Attributes:
        prompt: token ids; begins with the stream's prefix and goes on behind it.
        temperature: 0 for greedy.
        figure: digits; the only number that the answer may contain. None: any.
        tokens: chosen so far, a stop token included.
        finished: whether a stop token was chosen.
    """

    prompt: Sequence[int]
    temperature: float
    figure: str | None = None
    tokens: list[int] = field(default_factory=list)
    finished: bool = False


class Joining(Prefill):
    """The pass over what new rows have behind the shared beginning.

    Args:
        trie: of those tokens.
        slots: hold the shared beginning.
    """

    def __init__(self, trie: Trie, slots: Slots) -> None:
        super().__init__(trie)
        self._trie, self._slots = trie, slots
        self._masks: dict[int | None, torch.Tensor] = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of every node to the shared beginning, its ancestors and itself."""
        self._keep(layer, key, value)
        shared_keys, shared_values = self._slots.shared(layer)
        _, heads, size, width = query.shape
        kv_heads = key.shape[1]
        groups = heads // kv_heads
        keys, values = torch.cat([shared_keys, key[0]], dim=1), torch.cat([shared_values, value[0]], dim=1)
        grouped = query.reshape(kv_heads, groups * size, width)
        scores = torch.bmm(grouped, keys.transpose(1, 2)).view(kv_heads, groups, size, -1).float().mul_(scaling)
        weights = scores.add_(self._mask(window, query.device)).softmax(-1).to(query.dtype)
        mixed = torch.bmm(weights.view(kv_heads, groups * size, -1), values)
        return mixed.view(1, heads, size, width).transpose(1, 2).contiguous()

    def _mask(self, window: int | None, device: torch.device) -> torch.Tensor:
        """Additive, shape (T, P + T)."""
        if window not in self._masks:
            every, prefix = np.arange(len(self._trie)), self._slots.prefix
            far = np.ones((len(self._trie), prefix), dtype=bool)
            if window is not None:
                far = prefix + self._trie.depth[:, None] - np.arange(prefix)[None, :] < window
            seen = torch.from_numpy(np.concatenate([far, self._trie.visible(every, every, window)], axis=1))
            self._masks[window] = torch.zeros(seen.shape).masked_fill_(~seen, float("-inf")).to(device)
        return self._masks[window]


class Stream(Decoder):
    """A batch that is never closed. Not for several threads at once.

    Args:
        model: a transformers causal language model that is the caller's own to change, in evaluation mode.
        tokenizer: its tokenizer, for answers that ask for one figure.
        prefix: tokens that every prompt begins with, at least one.
        stops: tokens that end an answer.
        max_new_tokens: after so many an answer is cut off.
        rows: answers at work at once.
        seed: of the sampling; None takes another one every time.
        body: computes the passes in place of the model's own layers.

    Raises:
        models.decode.CannotDecodeError: keys in slots cannot follow how this model mixes tokens.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prefix: Sequence[int],
        *,
        stops: Sequence[int],
        max_new_tokens: int,
        rows: int,
        seed: int | None = None,
        body: LeanBody | None = None,
    ) -> None:
        self._lean: LeanBody | None = None  # the check of the model itself goes through its own layers
        super().__init__(model)
        self._lean = body
        # a cut head is small enough to hold its weights once more, packed
        packed = body is not None and self._words is not None and self.head.plain
        self._logits = Product(self.head.weight) if packed else self.head.logits
        words = range(len(self.head.weight)) if self._words is None else self._words.tolist()
        self._figures = Figures(tokenizer, words)
        self._prefix, self._stops, self._max_new_tokens, self._rows = list(prefix), set(stops), max_new_tokens, rows
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)
        with torch.inference_mode():
            prefill, paths, _ = self._prefill([self._prefix])
            self._slots = Slots(prefill, paths[0], rows, max_new_tokens)
        self._working: list[Wanted] = []

    @property
    def free(self) -> int:
        """How many answers can join."""
        return self._rows - len(self._working)

    @property
    def working(self) -> tuple[Wanted, ...]:
        """The answers at work."""
        return tuple(self._working)

    def advance(self, joining: Sequence[Wanted] = ()) -> list[Wanted]:
        """Let answers join, at most :attr:`free`, and take every answer one token further; returns those now done."""
        with torch.inference_mode():
            done = self._join(joining) if joining else []
            if self._working:
                hidden = self._step(self._slots, [wanted.tokens[-1] for wanted in self._working])
                done += self._append(self._working, hidden)
                self.leave(wanted for wanted in self.working if self._done(wanted))
        return done

    def leave(self, leaving: Iterable[Wanted]) -> None:
        """Take answers out, done or not."""
        gone = set(leaving)
        for slot in reversed(range(len(self._working))):
            if self._working[slot] in gone:
                with torch.inference_mode():
                    self._slots.remove(slot)
                self._working[slot] = self._working[-1]
                self._working.pop()

    def _pass(self, work: Pass, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        if self._lean is None:
            return super()._pass(work, tokens, positions)
        return self._lean(tokens, positions, work)

    def _join(self, joining: Sequence[Wanted]) -> list[Wanted]:
        if len(joining) > self.free:
            raise ValueError(f"{len(joining)} answers cannot join where {self.free} rows are free")
        prefix = len(self._prefix)
        for wanted in joining:
            if list(wanted.prompt[:prefix]) != self._prefix or len(wanted.prompt) <= prefix:
                raise ValueError("a prompt must begin with the stream's prefix and go on behind it")
        trie = build_trie([wanted.prompt[prefix:] for wanted in joining])
        work = Joining(trie, self._slots)
        paths = [torch.from_numpy(path).to(self._device) for path in trie.rows]
        hidden = self._pass(work, torch.from_numpy(trie.tokens)[None], torch.from_numpy(trie.depth + prefix)[None])[0]
        done = self._append(joining, hidden[torch.stack([path[-1] for path in paths])])
        for wanted, path in zip(joining, paths, strict=True):
            if not self._done(wanted):
                self._slots.admit(work, path)
                self._working.append(wanted)
        return done

    def _append(self, every: Sequence[Wanted], hidden: torch.Tensor) -> list[Wanted]:
        for wanted, token in zip(every, self._named(self._choose(every, hidden)), strict=True):
            wanted.tokens.append(token)
            wanted.finished = token in self._stops
        return [wanted for wanted in every if self._done(wanted)]

    def _choose(self, every: Sequence[Wanted], hidden: torch.Tensor) -> list[int]:
        heat = torch.tensor([wanted.temperature for wanted in every])
        hot = heat > 0
        held = {row: wanted.figure for row, wanted in enumerate(every) if wanted.figure is not None}
        if not hot.any() and not held:
            return [int(word) for word in self.head.best(hidden)]
        logits = self._logits(hidden)
        for row, figure in held.items():
            mask = self._figures.mask(figure, every[row].tokens).to(logits.device)
            logits[row].masked_fill_(~mask, float("-inf"))
        chosen = logits.argmax(1).cpu()
        if hot.any():
            numbers = torch.rand(int(hot.sum()), dtype=torch.float64, generator=self._generator)
            where = hot.to(logits.device)
            chosen[hot] = draw(logits[where], heat[hot, None].to(logits.device), numbers).cpu()
        return [int(word) for word in chosen]

    def _done(self, wanted: Wanted) -> bool:
        return wanted.finished or len(wanted.tokens) >= self._max_new_tokens
