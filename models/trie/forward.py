"""One packed forward pass: rows in, per-token scores in the rows' own layout out.

The rows' tokens are laid out once as a trie, the body of the transformer runs over its nodes, and the head is applied
to each (node, next token) pair that carries a label, once however many rows need it. The last labelled token of a row
is only ever predicted, never read, so it is no node unless another row continues there.

A batch with more nodes than the token budget is computed in parts, each recomputed in the backward pass (activation
checkpointing, Chen et al. 2016, arXiv:1604.06174), so that the activations of one part are held at a time and the loss
above still sees the whole batch.
"""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint
from trl.trainer.utils import FusedCausalLMOutput

from models.carrier import carrier
from models.trie.attention import Layout
from models.trie.head import LabelScores, score_labels
from models.trie.layout import Ints, Trie, build_trie, cut_rows
from models.vocabulary import kept_words, positions

IGNORED = -100


@dataclass(frozen=True)
class Plan:
    """What to compute for one batch and where it goes.

    Attributes:
        trie: the laid-out nodes.
        nodes: node of each distinct (node, next token) pair, shape (U,).
        labels: next token of each pair, shape (U,).
        target: flat index into the (B, L) output of every labelled position, shape (N,).
        source: which pair each labelled position takes, shape (N,).
    """

    trie: Trie
    nodes: Ints
    labels: Ints
    target: Ints
    source: Ints


def plan_batch(input_ids: Ints, attention: Ints, labels: Ints, budget: int | None = None) -> list[Plan]:
    """Plan a padded batch, all arrays of shape (B, L); ``labels[b, t]`` is what position t predicts, or -100.

    Padding may stand on either side, tokens of a row must be contiguous.

    Args:
        input_ids: token ids.
        attention: 0 where there is padding.
        labels: see above.
        budget: nodes of one plan at most (a row longer than that has a plan of its own); None makes one plan.

    Returns:
        Plans that share out the labels; at least one.

    Raises:
        ValueError: a row has a hole, or a label stands on padding.
    """
    wanted = labels != IGNORED
    if (wanted & (attention == 0)).any():
        raise ValueError("a label stands where the attention mask is 0")
    length = input_ids.shape[1]
    first = np.where(attention.any(1), (attention != 0).argmax(1), 0)
    needed = np.where(wanted.any(1), length - wanted[:, ::-1].argmax(1), first)
    rows = []
    for index, (start, stop) in enumerate(zip(first, needed, strict=True)):
        if not attention[index, start:stop].all():
            raise ValueError(f"row {index} has padding between its tokens")
        rows.append(input_ids[index, start:stop])
    if not any(len(row) for row in rows):
        # nothing to predict: one token keeps the outputs connected to the model
        rows[0] = input_ids[0, first[0] : first[0] + 1]
    parts = [list(range(len(rows)))] if budget is None else cut_rows(rows, budget)
    return [_plan(rows, part, first, wanted, labels) for part in parts]


def _plan(rows: list[Ints], part: list[int], first: Ints, wanted: Any, labels: Ints) -> Plan:
    trie = build_trie([rows[index] for index in part])
    local, where_position = np.nonzero(wanted[part])
    where_row = np.asarray(part, dtype=np.int64)[local]
    nodes = np.fromiter(
        (
            trie.rows[at][position - first[row]]
            for at, row, position in zip(local, where_row, where_position, strict=True)
        ),
        dtype=np.int64,
        count=len(local),
    )
    words = labels[where_row, where_position]
    pairs, source = np.unique(np.stack([nodes, words], axis=1), axis=0, return_inverse=True)
    return Plan(trie, pairs[:, 0], pairs[:, 1], where_row * labels.shape[1] + where_position, source.reshape(-1))


def packed_forward(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None,
    labels: torch.Tensor,
    *,
    shifted: bool = False,
    scale: float = 1.0,
    softcap: float | None = None,
    drop: float = 0.0,
    layers: int | None = None,
    budget: int | None = None,
) -> FusedCausalLMOutput:
    """Score the labels of a padded batch.

    Args:
        model: a causal language model whose attention is :data:`models.trie.attention.NAME`.
        input_ids: shape (B, L).
        attention_mask: shape (B, L), or None when nothing is padding.
        labels: shape (B, L), -100 where there is none; as transformers has them (``labels[t]`` is the token at t), or,
            with ``shifted``, already moved to the position that predicts.
        shifted: see ``labels``.
        scale: factor on the logits.
        softcap: soft cap on the logits.
        drop: see :func:`models.trie.head.score_labels`.
        layers: how many attention calls the body must make; None does not count.
        budget: see :func:`plan_batch`.

    Returns:
        TRL's output with fields of shape (B, L - 1), or (B, L) with ``shifted``; without a label all are zero.

    Raises:
        RuntimeError: not every layer attended through the layout.
    """
    device = input_ids.device
    ids = input_ids.cpu().numpy()
    attention = np.ones_like(ids) if attention_mask is None else attention_mask.cpu().numpy()
    wanted = labels.cpu().numpy()
    if not shifted:
        wanted = np.concatenate([wanted[:, 1:], np.full_like(wanted[:, :1], IGNORED)], axis=1)
    plans = plan_batch(ids, attention, wanted, budget)
    score = partial(_score, model, device=device, scale=scale, softcap=softcap, drop=drop, layers=layers)
    if len(plans) == 1:
        found = [score(plans[0])]
    else:
        # no dropout is let through (check.py), so there is no random state to keep
        found = [checkpoint(score, plan, use_reentrant=False, preserve_rng_state=False) for plan in plans]
    scores = LabelScores(*(torch.cat(column) for column in zip(*found, strict=True)))
    offsets = itertools.accumulate((len(columns[0]) for columns in found[:-1]), initial=0)
    sources = [plan.source + offset for plan, offset in zip(plans, offsets, strict=True)]
    where = scores.log_probs.device
    source = torch.from_numpy(np.concatenate(sources)).to(where)
    target = torch.from_numpy(np.concatenate([plan.target for plan in plans])).to(where)
    shape = ids.shape
    mask = torch.zeros(shape, dtype=torch.bool, device=where)
    mask.view(-1)[target] = True

    def place(column: torch.Tensor) -> torch.Tensor:
        flat = column.new_zeros(shape[0] * shape[1])
        flat = flat.index_put((target,), column.index_select(0, source)).view(shape)
        return flat if shifted else flat[:, :-1]

    log_probs = place(scores.log_probs)
    if not len(target):
        log_probs = log_probs + scores.log_probs.sum() * 0
    mask = mask if shifted else mask[:, :-1]
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / mask.sum().clamp(min=1),
        log_probs=log_probs,
        entropy=place(scores.entropy),
        log_sum_sq_probs=place(scores.log_sum_sq_probs),
        mean_logits=place(scores.mean_logits),
        is_top1=place(scores.is_top1),
        label_mask=mask,
    )


def _score(
    model: Any,
    plan: Plan,
    *,
    device: torch.device,
    scale: float,
    softcap: float | None,
    drop: float,
    layers: int | None,
) -> LabelScores:
    """Scores of a plan's (node, next token) pairs; of one arbitrary pair when it has none."""
    layout = Layout(plan.trie)
    body = model.base_model(
        input_ids=torch.from_numpy(plan.trie.tokens).to(device)[None],
        position_ids=torch.from_numpy(plan.trie.depth).to(device)[None],
        attention_mask=carrier(layout),
        use_cache=False,
    )
    if layers is not None and layout.calls != layers:
        raise RuntimeError(
            f"only {layout.calls} of {layers} layers attended through the packed layout: this architecture mixes "
            "tokens in another way too and cannot be packed; set packing: none"
        )
    head = model.get_output_embeddings()
    hidden = body.last_hidden_state[0]
    labels = np.zeros(len(hidden), dtype=np.int64)
    if len(plan.nodes):
        hidden, labels = hidden.index_select(0, torch.from_numpy(plan.nodes).to(hidden.device)), plan.labels
    weight, bias, known = head.weight, getattr(head, "bias", None), torch.from_numpy(labels).to(head.weight.device)
    words = kept_words(model)
    if words is not None:
        weight, bias = weight.index_select(0, words), None if bias is None else bias.index_select(0, words)
        known = positions(known, words) if len(plan.nodes) else known
    return score_labels(
        hidden.to(weight.device),
        weight,
        bias,
        known,
        scale=scale,
        softcap=softcap,
        drop=drop,
    )
