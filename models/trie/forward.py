"""One packed forward pass: rows in, per-token scores in the rows' own layout out.

The rows' tokens are laid out once as a trie, the body of the transformer runs over its nodes, and the head is applied
to each (node, next token) pair that carries a label, once however many rows need it. The last labelled token of a row
is only ever predicted, never read, so it is no node unless another row continues there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from trl.trainer.utils import FusedCausalLMOutput

from models.carrier import carrier
from models.trie.attention import Layout
from models.trie.head import score_labels
from models.trie.layout import Ints, Trie, build_trie

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


def plan_batch(input_ids: Ints, attention: Ints, labels: Ints) -> Plan:
    """Plan a padded batch, all arrays of shape (B, L); ``labels[b, t]`` is what position t predicts, or -100.

    Padding may stand on either side, tokens of a row must be contiguous.

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
    trie = build_trie(rows)
    where_row, where_position = np.nonzero(wanted)
    nodes = np.fromiter(
        (trie.rows[row][position - first[row]] for row, position in zip(where_row, where_position, strict=True)),
        dtype=np.int64,
        count=len(where_row),
    )
    words = labels[where_row, where_position]
    pairs, source = np.unique(np.stack([nodes, words], axis=1), axis=0, return_inverse=True)
    return Plan(trie, pairs[:, 0], pairs[:, 1], where_row * length + where_position, source.reshape(-1))


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
    plan = plan_batch(ids, attention, wanted)
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
    if len(plan.nodes):
        hidden = hidden.index_select(0, torch.from_numpy(plan.nodes).to(hidden.device))
    scores = score_labels(
        hidden.to(head.weight.device),
        head.weight,
        getattr(head, "bias", None),
        torch.from_numpy(plan.labels if len(plan.nodes) else np.zeros(len(hidden), dtype=np.int64)).to(
            head.weight.device
        ),
        scale=scale,
        softcap=softcap,
        drop=drop,
    )
    source = torch.from_numpy(plan.source).to(head.weight.device)
    target = torch.from_numpy(plan.target).to(head.weight.device)
    shape = ids.shape
    mask = torch.zeros(shape, dtype=torch.bool, device=device)
    mask.view(-1)[target] = True

    def place(column: torch.Tensor) -> torch.Tensor:
        flat = column.new_zeros(shape[0] * shape[1])
        flat = flat.index_put((target,), column.index_select(0, source)).view(shape)
        return flat if shifted else flat[:, :-1]

    log_probs = place(scores.log_probs)
    if not len(plan.nodes):
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
