"""The word with the highest logit, exactly, without paying for a float32 product over the whole vocabulary.

Half precision finds the few words that can be the best one, float32 decides among them. With h and w rounded to
h' and w' and the coarse logit l' rounded once more to bfloat16,

    |h . w - l'|  <=  |h - h'| |w| + |h'| |w - w'| + u |l'|,        u = 2^-8, twice bfloat16's rounding

by Cauchy and Schwarz, so no word whose coarse logit lies further below the highest coarse one than twice that bound can
be the best. The result does not depend on the coarse product; how long it takes does. Where half precision is no faster
(it depends on the processor) the exact product is taken, so both are timed once for each head and thread count.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from models.dtype import half_is_fast

COLUMNS = 32768
"""Words a block: its logits stay in the cache while they are compared."""
_ROUNDING = 2.0**-8
_ACCUMULATION = 2.0**-18
"""Share of |h| |w| by which two float32 sums over a few thousand products can differ in their order."""
_CROWD = 256
"""Candidates a row, on average, beyond which the exact product is cheaper."""
_CHUNK = 2048
"""Words whose norms are taken at once."""
_SMALL = 2**22
"""Weights of a head below which nothing is worth timing."""
_timings: dict[tuple[int, int, int], "Timing"] = {}


@dataclass(frozen=True)
class Timing:
    """What choosing between the two ways was based on: seconds for 64 rows, and whether the bound held."""

    exact_s: float
    screened_s: float
    bound_holds: bool

    @property
    def screened(self) -> bool:
        """Whether the screened way is taken."""
        return self.bound_holds and self.screened_s < self.exact_s


def timings() -> dict[str, Timing]:
    """What this process has measured, by head and number of threads."""
    return {f"{words}x{width}, {threads} threads": timing for (words, width, threads), timing in _timings.items()}


class Head:
    """The language-model head as ``softcap(scale * hidden @ weight.T + bias)``.

    Args:
        weight: shape (V, H).
        bias: shape (V,), or None.
        scale: factor on the logits.
        softcap: c in ``c * tanh(logits / c)``, or None.
        screened: take the screened way, or the exact one; None: whichever is faster on this machine.

    Attributes:
        plain: it is a product and nothing else.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        scale: float = 1.0,
        softcap: float | None = None,
        screened: bool | None = None,
    ) -> None:
        self.weight, self.bias, self.scale, self.softcap = weight, bias, scale, softcap
        self._coarse: torch.Tensor | None = None
        self.plain = bias is None and softcap is None and scale == 1.0
        if screened and not self.plain:
            raise ValueError("only a plain head (no bias, scale or soft cap) can be screened")
        if screened is None:
            screened = (
                self.plain
                and weight.device.type == "cpu"
                and weight.dtype == torch.float32
                and weight.numel() >= _SMALL
            )
            # a processor that is slow at bfloat16 is so slow that timing it here would take minutes
            screened = screened and half_is_fast() and self._measure().screened
        if screened and self._coarse is None:
            self._prepare()
        elif not screened:
            self._coarse = None

    @property
    def screened(self) -> bool:
        """Whether half precision comes first."""
        return self._coarse is not None

    def logits(self, hidden: torch.Tensor, words: slice = slice(None)) -> torch.Tensor:
        """Logits in float32, shape (N, V) or those of some ``words``, for ``hidden`` of shape (N, H)."""
        bias = None if self.bias is None else self.bias[words]
        logits = functional.linear(hidden, self.weight[words]).float()
        if self.scale != 1.0:
            logits *= self.scale
        if bias is not None:
            logits += bias
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def best(self, hidden: torch.Tensor) -> torch.Tensor:
        """The word with the highest logit for every row, the first of equals; shape (N,) for ``hidden`` (N, H)."""
        found = self._best_screened(hidden, self._coarse) if self._coarse is not None else None
        return self._best_exact(hidden) if found is None else found

    def _best_exact(self, hidden: torch.Tensor) -> torch.Tensor:
        top = torch.full((len(hidden),), float("-inf"), device=hidden.device)
        word = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device)
        for first in range(0, len(self.weight), COLUMNS):
            highest, where = self.logits(hidden, slice(first, first + COLUMNS)).max(1)
            higher = highest > top
            top = torch.where(higher, highest, top)
            word = torch.where(higher, where + first, word)
        return word

    def _best_screened(self, hidden: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor | None:
        """None when too many words come into question."""
        rounded = hidden.to(coarse.dtype)
        blocks = [functional.linear(rounded, part) for part in coarse.split(COLUMNS)]
        tops = torch.stack([block.amax(1) for block in blocks], dim=1).float()
        top = tops.amax(1)
        floor = top - 2.01 * (self._bound(hidden, rounded) + _ROUNDING * top.abs())
        rows, words = [], []
        for index, inside in enumerate((tops >= floor[:, None]).T):
            near = inside.nonzero()[:, 0]
            if len(near):
                row, word = (blocks[index][near].float() >= floor[near, None]).nonzero().unbind(1)
                rows.append(near[row])
                words.append(word + index * COLUMNS)
        row, word = torch.cat(rows), torch.cat(words)
        if len(row) > _CROWD * len(hidden):
            return None
        score = torch.linalg.vecdot(hidden[row], self.weight[word])
        highest = torch.full_like(top, float("-inf")).scatter_reduce_(0, row, score, "amax")
        winner = score == highest[row]
        last = torch.full((len(hidden),), len(coarse), dtype=torch.long, device=hidden.device)
        return last.scatter_reduce_(0, row[winner], word[winner], "amin")

    def _bound(self, hidden: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        """How far a coarse logit can be from the exact one before its own rounding, shape (N,)."""
        exact, back = hidden.norm(dim=1), rounded.float()
        lost = (hidden - back).norm(dim=1)
        bound: torch.Tensor = lost * self._norm + back.norm(dim=1) * self._lost + _ACCUMULATION * exact * self._norm
        return bound

    def _prepare(self) -> None:
        self._coarse = self.weight.to(torch.bfloat16)
        pairs = zip(self.weight.split(_CHUNK), self._coarse.split(_CHUNK), strict=True)
        norms = [(float(exact.norm(dim=1).max()), float((exact - coarse).norm(dim=1).max())) for exact, coarse in pairs]
        self._norm, self._lost = (max(column) for column in zip(*norms, strict=True))

    def _measure(self) -> Timing:
        key = (*self.weight.shape, torch.get_num_threads())
        if key not in _timings:
            self._prepare()
            generator = torch.Generator().manual_seed(0)
            # Rows of the head itself stand in for hidden states: their best word is far ahead, as in real ones.
            some = torch.randint(len(self.weight), (64,), generator=generator)
            hidden = self.weight[some] * (100 / self._norm) + torch.randn(64, self.weight.shape[1], generator=generator)
            holds = self._bound_holds(hidden)
            exact, screened = [], []
            for _ in range(2):
                exact.append(_seconds(self._best_exact, hidden))
                screened.append(_seconds(self._best_screened, hidden, self._coarse))
            _timings[key] = Timing(min(exact), min(screened), holds)
        return _timings[key]

    def _bound_holds(self, hidden: torch.Tensor) -> bool:
        """Whether this machine's bfloat16 product keeps to the bound, e.g. accumulates in float32."""
        assert self._coarse is not None
        rounded = hidden.to(self._coarse.dtype)
        bound = self._bound(hidden, rounded)[:, None]
        logits = functional.linear(rounded, self._coarse[:COLUMNS]).float()
        exact = functional.linear(hidden, self.weight[:COLUMNS])
        return bool(((exact - logits).abs() <= bound + _ROUNDING * logits.abs()).all())


def _seconds(function: Any, *arguments: Any) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started
