"""Log-probabilities of labels under a language-model head, without ever holding the logits.

For one position with hidden state h, label y and probabilities p over the vocabulary,

    d log p_y / d h  =  W_y - sum_v p_v W_v            (with soft-capping, each row of W times the cap's slope)

does not depend on the loss except through one factor. So the forward pass, which has p at hand block by block, also
forms the sum (rescaled as the running maximum moves, as in online softmax, Milakov and Gimelshein 2018), and the
backward pass only multiplies: no logits are kept and none are computed twice. The same sum gives the entropy,
log-sum-exp minus h . sum_v p_v W_v, and the mean logit is h . mean(W), so the metrics cost next to nothing.

A head that is itself trained needs p a second time; its gradient recomputes the blocks in the backward pass.
"""

from typing import Any, NamedTuple

import torch

# Rows and vocabulary columns a block: 8 MiB of float32 logits, which stay in a last-level cache of 32 MiB.
ROWS = 256
COLUMNS = 8192


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
        drop: leave words out of the gradient's sum whose probability is below this at every position of a block.
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


def _tile(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, first: int, softcap: float | None
) -> _Block:
    rows = weight[first : first + COLUMNS].to(hidden.dtype)
    logits = torch.mm(hidden, rows.t()).float()
    if bias is not None:
        logits += bias[first : first + COLUMNS].float()
    if softcap is None:
        return _Block(logits, None, rows)
    tanh = logits.div_(softcap).tanh_()
    return _Block(tanh * softcap, 1 - tanh * tanh, rows)


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
        pieces = [
            _score_rows(part, weight, bias, targets, softcap, drop, with_slope=wants_hidden)
            for part, targets in zip(hidden.split(ROWS), labels.split(ROWS), strict=True)
        ]
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
        for start in range(0, len(hidden), ROWS):
            part, stop = hidden[start : start + ROWS], start + ROWS
            factor, targets, top = grad[start:stop].unsqueeze(1), labels[start:stop], normaliser[start:stop]
            for first in range(0, len(weight), COLUMNS):
                block = _tile(part, weight, bias, first, ctx.softcap)
                pull = -(block.logits - top.unsqueeze(1)).exp_()
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


def _inside(labels: torch.Tensor, first: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows have their label in this block, and at which of its columns."""
    inside = ((labels >= first) & (labels < first + width)).nonzero().squeeze(1)
    return inside, labels[inside] - first


def _score_rows(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    softcap: float | None,
    drop: float,
    *,
    with_slope: bool,
) -> tuple[torch.Tensor | None, ...]:
    size, device = len(labels), hidden.device
    top = torch.full((size,), float("-inf"), device=device)
    before_label, label_logit = top.clone(), torch.zeros_like(top)
    total, weighted, squares, plain = (torch.zeros_like(top) for _ in range(4))
    mixed = torch.zeros(hidden.shape, dtype=torch.float32, device=device) if with_slope else None
    label_slope = torch.ones_like(top)
    for first in range(0, len(weight), COLUMNS):
        block = _tile(hidden, weight, bias, first, softcap)
        logits = block.logits
        inside, local = _inside(labels, first, logits.shape[1])
        if len(inside):
            label_logit[inside] = logits[inside, local]
            earlier = torch.arange(logits.shape[1], device=device) < local.unsqueeze(1)
            peak = logits[inside].masked_fill_(~earlier, float("-inf")).amax(1)
            before_label[inside] = torch.maximum(top[inside], peak)
            if block.slope is not None:
                label_slope[inside] = block.slope[inside, local]
        plain += logits.sum(1)
        raised = torch.maximum(top, logits.amax(1))
        fade = (top - raised).exp_()
        top = raised
        # sums of e^(x - top) and of (x - top) e^(x - top), with x the logit
        weighted = fade * (weighted + torch.where(total > 0, total * torch.log(fade), 0))
        shifted = logits.sub_(top.unsqueeze(1))
        powers = shifted.exp()
        weighted += torch.linalg.vecdot(shifted, powers)
        total = fade * total + powers.sum(1)
        squares = fade * fade * squares + torch.linalg.vecdot(powers, powers)
        if mixed is not None:
            _add_mixture(mixed, fade, powers if block.slope is None else powers * block.slope, block.weight, drop)
    normaliser = top + total.log()
    entropy = total.log() - weighted / total
    log_squares = squares.log() - 2 * total.log()
    is_top1 = (label_logit >= top) & (label_logit > before_label)
    slope = None
    if mixed is not None:
        slope = weight[labels].float() * label_slope.unsqueeze(1) - mixed / total.unsqueeze(1)
        slope = slope.to(hidden.dtype)
    return label_logit - normaliser, entropy, log_squares, plain / len(weight), is_top1, normaliser, slope


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
