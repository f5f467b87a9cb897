"""Decoding without an end: answers join a batch at work and leave it at any time, each with its own temperature.

What all prompts begin with is computed once, when the stream is made, and the rest of a prompt when its first answer
joins: a later one that has the same prompt (a sample of the same reading) finds it there.
"""

import heapq
import operator
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import torch

from models.decode.attention import Pass, Prefill, Slots
from models.decode.draft import MOST, Drafts, Guess
from models.decode.figures import Figures
from models.decode.lean import LeanBody, Product
from models.decode.loop import Decoder
from models.decode.sampling import draw
from models.decode.wanted import Turning, Wanted
from models.trie.layout import Trie, build_trie

_PLACES = 32
"""Tokens computed in a pass up to which guesses are worth their time."""
_PROMPTS = 64
"""Prompts that are kept, those that nobody joined with for the longest time going first."""


@dataclass(frozen=True)
class _Place:
    """Where a token is chosen: behind an answer's tokens and some that are guessed to follow them."""

    wanted: Wanted
    guessed: Sequence[int] = ()

    @property
    def tokens(self) -> list[int]:
        return [*self.wanted.tokens, *self.guessed]

    @property
    def number(self) -> float:
        return self.wanted.numbers[len(self.wanted.tokens) + len(self.guessed)]

    @property
    def banned(self) -> set[int]:
        return set() if self.guessed else self.wanted.banned.get(len(self.wanted.tokens), set())


@dataclass(frozen=True)
class _Choice:
    """A token that was chosen, and the logits (V,) that it was chosen by, if an answer may want them again."""

    token: int
    logits: torch.Tensor | None = None


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


@dataclass(frozen=True)
class _Prompt:
    """What was computed of a prompt behind the shared beginning.

    Attributes:
        keys: one a layer, see :meth:`models.decode.attention.Prefill.of`.
        values: likewise.
        hidden: the state behind it, shape (H,).
    """

    keys: Sequence[torch.Tensor]
    values: Sequence[torch.Tensor]
    hidden: torch.Tensor


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
        drafts: guesses of what comes next, which are checked along with it; answers are the same without.

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
        drafts: Drafts | None = None,
    ) -> None:
        self._drafts = drafts
        self._lean: LeanBody | None = None  # the check of the model itself goes through its own layers
        super().__init__(model)
        self._lean = body
        # a cut head is small enough to hold its weights once more, packed
        packed = body is not None and self._words is not None and self.head.plain
        self._logits = Product(self.head.weight) if packed else self.head.logits
        words = range(len(self.head.weight)) if self._words is None else self._words.tolist()
        self._row = {token: row for row, token in enumerate(words)}
        self._figures, self._turning = Figures(tokenizer, words), Turning(tokenizer, words)
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
        self._prompts: OrderedDict[tuple[int, ...], _Prompt] = OrderedDict()

    @property
    def free(self) -> int:
        """How many answers can join."""
        return self._rows - len(self._working)

    @property
    def working(self) -> tuple[Wanted, ...]:
        """The answers at work."""
        return tuple(self._working)

    def advance(self, joining: Sequence[Wanted] = ()) -> list[Wanted]:
        """Let answers join, at most :attr:`free`, and take every answer further; returns those now done."""
        with torch.inference_mode():
            done = self._join(joining) if joining else []
            if self._working:
                done += self._go_on()
        return done

    def leave(self, leaving: Iterable[Wanted]) -> None:
        """Take answers out, done or not."""
        gone = set(leaving)
        for slot in reversed(range(len(self._working))):
            if self._working[slot] in gone:
                if self._drafts is not None:
                    self._drafts.learn(self._working[slot].tokens)
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
        self._read(
            [prompt for prompt in dict.fromkeys(tuple(each.prompt) for each in joining) if prompt not in self._prompts]
        )
        prompts = [self._prompts[tuple(wanted.prompt)] for wanted in joining]
        for wanted in joining:
            count = self._max_new_tokens + MOST
            wanted.numbers = torch.rand(count, dtype=torch.float64, generator=self._generator).tolist()
            self._prompts.move_to_end(tuple(wanted.prompt))
        while len(self._prompts) > _PROMPTS:
            self._prompts.popitem(last=False)
        chosen = self._choose(list(map(_Place, joining)), torch.stack([prompt.hidden for prompt in prompts]))
        for wanted, choice, prompt in zip(joining, chosen, prompts, strict=True):
            self._append(wanted, choice)
            if not self._done(wanted):
                self._slots.admit(prompt.keys, prompt.values)
                self._working.append(wanted)
        return [wanted for wanted in joining if self._done(wanted)]

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """Compute what prompts have behind the shared beginning, all in one pass."""
        if not prompts:
            return
        prefix = len(self._prefix)
        trie = build_trie([prompt[prefix:] for prompt in prompts])
        work = Joining(trie, self._slots)
        hidden = self._pass(work, torch.from_numpy(trie.tokens)[None], torch.from_numpy(trie.depth + prefix)[None])[0]
        for prompt, path in zip(prompts, trie.rows, strict=True):
            nodes = torch.from_numpy(path).to(self._device)
            self._prompts[prompt] = _Prompt(*work.of(nodes), hidden[nodes[-1]].clone())

    def _go_on(self) -> list[Wanted]:
        """One step: every answer's next token, and those behind it as far as they were guessed right."""
        answers = list(zip(self._working, self._guesses(), strict=True))
        places = [_Place(wanted, guess[:known]) for wanted, guess in answers for known in range(len(guess) + 1)]
        hidden = self._step(self._slots, [[wanted.tokens[-1], *guess] for wanted, guess in answers])
        chosen = iter(self._choose(places, hidden))
        for wanted, guess in answers:
            next_ones = [next(chosen) for _ in range(len(guess) + 1)]
            right = sum(takewhile(bool, map(operator.eq, (choice.token for choice in next_ones), guess)))
            for choice in next_ones[: right + 1]:
                if self._done(wanted) or self._append(wanted, choice):
                    break
        # the key of an answer's last token is computed with the next one
        self._slots.cut([len(wanted.prompt) - len(self._prefix) + len(wanted.tokens) - 1 for wanted in self._working])
        done = [wanted for wanted in self._working if self._done(wanted)]
        self.leave(done)
        return done

    def _guesses(self) -> list[list[int]]:
        """For every answer at work the tokens that may follow, the likeliest of all as far as there are places."""
        if self._drafts is None:
            return [[] for _ in self._working]
        every = [self._guessed(self._drafts, wanted) for wanted in self._working]
        ranked = (
            (-guess.chance, ahead, row) for row, guesses in enumerate(every) for ahead, guess in enumerate(guesses)
        )
        taken = Counter(row for _, _, row in heapq.nsmallest(_PLACES - len(every), ranked))
        return [[guess.token for guess in guesses[: taken[row]]] for row, guesses in enumerate(every)]

    def _guessed(self, drafts: Drafts, wanted: Wanted) -> list[Guess]:
        banned = _Place(wanted).banned
        if wanted.figure is None:
            return drafts.guess(wanted.tokens, banned=banned)
        guesses = drafts.guess(wanted.tokens, self._figures.tokens(wanted.figure), banned)
        possible = self._figures.possible(wanted.figure, wanted.tokens, [guess.token for guess in guesses])
        return guesses[: len(possible)]

    def _append(self, wanted: Wanted, choice: _Choice) -> bool:
        """Whether the answer turned back instead; it then has another word at that place."""
        turned = False
        while True:
            if wanted.look is not None and choice.logits is not None and self._turning.begins(wanted, choice.token):
                wanted.logits[len(wanted.tokens)] = choice.logits.clone()  # not all that it is a part of
            wanted.tokens.append(choice.token)
            wanted.finished = choice.token in self._stops
            if not self._turning.look(wanted):
                return turned
            logits = wanted.logits[len(wanted.tokens)]
            turned, [choice] = True, self._pick([_Place(wanted)], logits[None])

    def _choose(self, places: Sequence[_Place], hidden: torch.Tensor) -> list[_Choice]:
        """The next token at every place, for hidden states of shape (N, H)."""
        plain = not any(
            place.wanted.temperature or place.wanted.figure is not None or place.wanted.look for place in places
        )
        if plain:
            words = [int(word) for word in self.head.best(hidden)]
            return [_Choice(token) for token in self._named(words)]
        return self._pick(places, self._logits(hidden))

    def _pick(self, places: Sequence[_Place], logits: torch.Tensor) -> list[_Choice]:
        """The next token at every place, for logits of shape (N, V)."""
        every, logits = logits, logits.clone()
        for row, place in enumerate(places):
            if place.wanted.figure is not None:
                mask = self._figures.mask(place.wanted.figure, place.tokens).to(logits.device)
                logits[row].masked_fill_(~mask, float("-inf"))
            for token in place.banned:
                logits[row, self._row[token]] = float("-inf")
        heat = torch.tensor([place.wanted.temperature for place in places])
        hot = heat > 0
        chosen = logits.argmax(1).cpu()
        if hot.any():
            numbers = torch.tensor([place.number for place in places], dtype=torch.float64)[hot]
            where = hot.to(logits.device)
            chosen[hot] = draw(logits[where], heat[hot, None].to(logits.device), numbers).cpu()
        return list(map(_Choice, self._named([int(word) for word in chosen]), every))

    def _done(self, wanted: Wanted) -> bool:
        return wanted.finished or wanted.given_up or len(wanted.tokens) >= self._max_new_tokens
