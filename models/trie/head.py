"""Log-probabilities of labels under a language-model head, without ever holding the logits.

For one position with hidden state h, label y and probabilities p over the vocabulary,

    d log p_y / d h  =  W_y - sum_v p_v W_v            (with soft-capping, each row of W times the cap's slope)

does not depend on the loss except through one factor. So the forward pass, which has p at hand block by block, also
forms the sum (rescaled as the running maximum moves, as in online softmax, Milakov and Gimelshein 2018), and the
backward pass only multiplies: no logits are kept and none are computed twice. The same sum gives the entropy,
log-sum-exp minus h . sum_v p_v W_v, and the mean logit is h . mean(W), so the metrics cost next to nothing.

A head that is itself trained needs p a second time; its gradient recomputes the blocks in the backward pass.
"""

import math
from typing import Any, NamedTuple

import torch

# Rows and vocabulary columns a block: 8 MiB of float32 logits, which stay in a last-level cache of 32 MiB.
ROWS = 256
COLUMNS = 8192
_LOG2_E = math.log2(math.e)


class LabelScores(NamedTuple):
    """What is known of N labels; all of shape (N,). Only ``log_probs`` carries a gradient."""

    log_probs: torch.Tensor
    entropy: torch.Tensor
    log_sum_sq_probs: torch.Tensor
    mean_logits: torch.Tensor
    is_top1: torch.Tensor


def score_labels(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    *,
    scale: float = 1.0,
    softcap: float | None = None,
    drop: float = 0.0,
) -> LabelScores:
    """Score ``labels`` under ``softmax(softcap(scale * hidden @ weight.T + bias))``.

    Args:
        hidden: shape (N, H).
        weight: head, shape (V, H); ``bias`` has shape (V,).
        bias: see ``weight``.
        labels: shape (N,), each in 0..V-1.
        scale: factor on the logits.
        softcap: c in ``c * tanh(logits / c)``, or None.
        drop: leave words out of the gradient's sum whose probability is below this at every position of a tile.
            0 keeps all.

    Raises:
        ValueError: shapes do not fit.
    """
    if hidden.ndim != 2 or hidden.shape[1] != weight.shape[1] or labels.shape != hidden.shape[:1]:
        raise ValueError(f"hidden {tuple(hidden.shape)}, head {tuple(weight.shape)}, labels {tuple(labels.shape)}")
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    scaled = hidden * scale if scale != 1.0 else hidden
    with torch.autocast(kind, enabled=False):
        run: Any = _Scores.apply
        out = run(scaled.to(dtype), weight, bias, labels, softcap, drop)
    return LabelScores(*out)


class _Block(NamedTuple):
    """One tile of capped logits in float32, the slope of the cap (None when there is none) and the head's rows."""

    logits: torch.Tensor
    slope: torch.Tensor | None
    weight: torch.Tensor


class _Tiles:
    """Memory of one tile, used again for the next: fresh blocks of this size are zeroed by the system page by page."""

    def __init__(self, like: torch.Tensor) -> None:
        size = min(len(like), ROWS) * COLUMNS
        self._products = like.new_empty(size)
        self._logits = like.new_empty(size, dtype=torch.float32)
        self._powers = like.new_empty(size, dtype=torch.float32)

    def tile(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, first: int, softcap: float | None
    ) -> _Block:
        """The tile of all ``hidden`` and the head's rows from ``first`` on; valid until the next one."""
        rows = weight[first : first + COLUMNS].to(hidden.dtype)
        shape = (len(hidden), len(rows))
        products = _part(self._products, shape)
        torch.mm(hidden, rows.t(), out=products)
        logits = _part(self._logits, shape).copy_(products)
        if bias is not None:
            logits += bias[first : first + COLUMNS].float()
        if softcap is None:
            return _Block(logits, None, rows)
        tanh = logits.div_(softcap).tanh_()
        slope = 1 - tanh * tanh
        return _Block(tanh.mul_(softcap), slope, rows)

    def powers(self, logits: torch.Tensor) -> torch.Tensor:
        """e to the ``logits``, by way of 2: the faster of the two; valid until the next tile."""
        return torch.mul(logits, _LOG2_E, out=_part(self._powers, logits.shape)).exp2_()


def _part(memory: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return memory[: math.prod(shape)].view(shape)


class _Scores(torch.autograd.Function):
    """Forward and backward of :func:`score_labels`."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        softcap: float | None,
        drop: float,
    ) -> tuple[torch.Tensor | None, ...]:
        wants_hidden = ctx.needs_input_grad[0]
        wants_head = ctx.needs_input_grad[1] or (bias is not None and ctx.needs_input_grad[2])
        tiles = _Tiles(hidden)
        count = max(1, -(-len(labels) // ROWS))
        parts = [
            _Rows(part, targets, with_slope=wants_hidden)
            for part, targets in zip(hidden.tensor_split(count), labels.tensor_split(count), strict=True)
        ]
        for first in _order(labels, len(weight)):  # the head's rows are fetched once for all parts
            for part in parts:
                part.add(first, tiles.tile(part.hidden, weight, bias, first, softcap), tiles, drop)
        pieces = [part.finish(weight) for part in parts]
        log_probs, entropy, squares, means, top1, normaliser, slopes = (
            torch.cat(column) if column[0] is not None else None for column in zip(*pieces, strict=True)
        )
        saved = (hidden, weight, bias, labels, normaliser) if wants_head else (None,) * 5
        ctx.save_for_backward(slopes, *saved)
        ctx.softcap = softcap
        ctx.mark_non_differentiable(entropy, squares, means, top1)
        return log_probs, entropy, squares, means, top1

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        slopes, hidden, weight, bias, labels, normaliser = ctx.saved_tensors
        grad_hidden = None
        if slopes is not None:
            grad_hidden = (slopes * grad.unsqueeze(1)).to(slopes.dtype)
        if hidden is None:
            return grad_hidden, None, None, None, None, None
        grad_weight = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        grad_bias = None if bias is None else torch.zeros(bias.shape, dtype=torch.float32, device=bias.device)
        tiles = _Tiles(hidden)
        for start in range(0, len(hidden), ROWS):
            part, stop = hidden[start : start + ROWS], start + ROWS
            factor, targets, top = grad[start:stop].unsqueeze(1), labels[start:stop], normaliser[start:stop]
            for first in range(0, len(weight), COLUMNS):
                block = tiles.tile(part, weight, bias, first, ctx.softcap)
                pull = -tiles.powers(block.logits.sub_(top.unsqueeze(1)))
                inside, local = _inside(targets, first, pull.shape[1])
                pull[inside, local] += 1
                pull = pull * factor if block.slope is None else pull * factor * block.slope
                grad_weight[first : first + COLUMNS] += (pull.to(part.dtype).t() @ part).float()
                if grad_bias is not None:
                    grad_bias[first : first + COLUMNS] += pull.sum(0)
        return (
            grad_hidden,
            grad_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None,
            grad_bias.to(bias.dtype) if grad_bias is not None and ctx.needs_input_grad[2] else None,
            None,
            None,
            None,
        )


def _order(labels: torch.Tensor, words: int) -> list[int]:
    """First words of the tiles, most labels first: the sooner probable words are seen, the more others are dropped."""
    counts = torch.bincount(labels // COLUMNS, minlength=-(-words // COLUMNS))
    first: list[int] = (counts.argsort(descending=True, stable=True) * COLUMNS).tolist()
    return first


def _inside(labels: torch.Tensor, first: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows have their label in this block, and at which of its columns."""
    inside = ((labels >= first) & (labels < first + width)).nonzero().squeeze(1)
    return inside, labels[inside] - first


class _Rows:
    """What is known of up to ``ROWS`` labels after some tiles.

    Sums are of exponentials relative to a level, the logarithm of what was summed before the last tile or that tile's
    largest logit, whichever is larger. So no exponential of a tile is above 1 or below the word's probability.
    """

    def __init__(self, hidden: torch.Tensor, labels: torch.Tensor, *, with_slope: bool) -> None:
        device = hidden.device
        self.hidden, self._labels = hidden, labels
        self._top = torch.full(labels.shape, float("-inf"), device=device)
        self._level, self._before_label = self._top.clone(), self._top.clone()
        self._label_logit = torch.zeros_like(self._top)
        self._label_slope = torch.ones_like(self._top)
        self._total, self._weighted, self._squares, self._plain = (torch.zeros_like(self._top) for _ in range(4))
        self._mixed = torch.zeros(hidden.shape, dtype=torch.float32, device=device) if with_slope else None

    def add(self, first: int, block: _Block, tiles: _Tiles, drop: float) -> None:
        """Take in the tile of the head's rows from ``first`` on; its logits are overwritten."""
        logits, level = block.logits, self._level
        peak = logits.amax(1)
        before = torch.where(self._labels >= first + logits.shape[1], peak, float("-inf"))
        inside, local = _inside(self._labels, first, logits.shape[1])
        if len(inside):
            self._label_logit[inside] = logits[inside, local]
            earlier = torch.arange(logits.shape[1], device=logits.device) < local.unsqueeze(1)
            before[inside] = logits[inside].masked_fill_(~earlier, float("-inf")).amax(1)
            if block.slope is not None:
                self._label_slope[inside] = block.slope[inside, local]
        self._before_label = torch.maximum(self._before_label, before)
        self._plain += logits.sum(1)
        self._top = torch.maximum(self._top, peak)
        self._level = torch.maximum(level + self._total.log(), peak)
        rise = torch.where(self._total > 0, self._level - level, 0)
        fade = (-rise).exp_()
        # sums of e^(x - level) and of (x - level) e^(x - level), with x the logit
        self._weighted -= self._total * rise
        shifted = logits.sub_(self._level.unsqueeze(1))
        powers = tiles.powers(shifted)
        self._weighted = fade * self._weighted + shifted.mul_(powers).sum(1)
        self._total = fade * self._total + powers.sum(1)
        self._squares = fade * fade * self._squares + torch.linalg.vector_norm(powers, dim=1).square_()
        if self._mixed is not None:
            pull = powers if block.slope is None else powers * block.slope
            _add_mixture(self._mixed, fade, pull, block.weight, drop)

    def finish(self, weight: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """After all tiles: the fields of :class:`LabelScores`, the normaliser, the log-prob's slope by ``hidden``."""
        normaliser = self._level + self._total.log()
        entropy = self._total.log() - self._weighted / self._total
        log_squares = self._squares.log() - 2 * self._total.log()
        is_top1 = (self._label_logit >= self._top) & (self._label_logit > self._before_label)
        slope = None
        if self._mixed is not None:
            label = weight[self._labels].float() * self._label_slope.unsqueeze(1)
            slope = (label - self._mixed / self._total.unsqueeze(1)).to(self.hidden.dtype)
        log_probs, mean = self._label_logit - normaliser, self._plain / len(weight)
        return log_probs, entropy, log_squares, mean, is_top1, normaliser, slope


def _add_mixture(
    mixed: torch.Tensor, fade: torch.Tensor, powers: torch.Tensor, weight: torch.Tensor, drop: float
) -> None:
    """``mixed = fade * mixed + powers @ weight``, in place, without the columns that stay below ``drop``."""
    mixed *= fade.unsqueeze(1)
    if drop:
        kept = (powers.amax(0) >= drop).nonzero().squeeze(1)
        if len(kept) < powers.shape[1] // 2:
            powers, weight = powers.index_select(1, kept), weight.index_select(0, kept)
    if powers.shape[1]:
        mixed += (powers.to(weight.dtype) @ weight).float()
