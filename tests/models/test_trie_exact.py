"""Packed and padded give the same numbers: scores, gradients, and nothing from one branch to another."""

import pytest
import torch

from models.carrier import carrier
from models.trie import install
from models.trie.attention import Layout
from models.trie.forward import packed_forward, plan_batch
from models.trie.layout import build_trie
from tests.models.trie_cases import (
    BATCHES,
    FAMILIES,
    FIELDS,
    VOCABULARY,
    assert_gradients_close,
    gradients,
    padded,
    tiny,
    twins,
)


@pytest.mark.parametrize("rows", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_and_gradients_equal_the_padded_ones(family, rows):
    stock, packed = twins(family)
    batch = padded(rows)
    theirs, ours = (model(**batch, fused_lm_head=True, use_cache=False) for model in (stock, packed))
    for field in FIELDS:
        torch.testing.assert_close(getattr(ours, field), getattr(theirs, field), rtol=1e-5, atol=1e-5)
    assert torch.equal(ours.label_mask, theirs.label_mask)
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=1e-5)
    assert_gradients_close(gradients(packed, ours.loss), gradients(stock, theirs.loss))


@pytest.mark.parametrize("budget", [1, 9, 12])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_over_the_token_budget_gives_the_same_numbers(family, budget):
    """18 nodes: a budget of 1 makes a part of every row, 9 and 12 leave some rows together."""
    whole, parted = tiny(family), tiny(family)
    install(whole)
    install(parted, budget=budget)
    batch = padded(BATCHES["ragged"])
    ours, theirs = (model(**batch, fused_lm_head=True) for model in (parted, whole))
    for field in FIELDS:
        torch.testing.assert_close(getattr(ours, field), getattr(theirs, field), rtol=1e-5, atol=1e-5)
    assert torch.equal(ours.label_mask, theirs.label_mask)
    assert_gradients_close(gradients(parted, ours.loss), gradients(whole, theirs.loss))


def test_a_batch_over_the_token_budget_holds_one_part_at_a_time():
    """No tensor that the backward pass keeps is as long as the batch's nodes: each part is computed again."""

    def longest(budget):
        packed = tiny("llama")
        install(packed, budget=budget)
        packed.train()
        lengths = []

        def keep(tensor):
            lengths.append(max((size for size in tensor.shape if size != VOCABULARY), default=0))
            return tensor

        rows = [[row, *range(2, 56)] for row in range(2, 8)]
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            packed(**padded(rows), fused_lm_head=True)
        return max(lengths)

    assert longest(None) >= 6 * 54
    assert longest(60) < 6 * 54


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_a_preference_loss_equal_the_padded_ones(family):
    stock, packed = twins(family)
    batch = padded(BATCHES["ragged"])

    def loss(model):
        sums = model(**batch, fused_lm_head=True).log_probs.sum(1)
        return -torch.nn.functional.logsigmoid(0.1 * (sums[:2] - sums[2:])).mean()

    ours, theirs = loss(packed), loss(stock)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert_gradients_close(gradients(packed, ours), gradients(stock, theirs))


@pytest.mark.parametrize("family", FAMILIES)
def test_full_training_has_the_padded_gradients_too(family):
    stock, packed = twins(family, lora=False)
    batch = padded(BATCHES["ragged"])
    losses = [model(**batch, fused_lm_head=True).loss for model in (packed, stock)]
    assert_gradients_close(gradients(packed, losses[0]), gradients(stock, losses[1]))


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_do_not_change_under_activation_checkpointing(family):
    packed = tiny(family)
    install(packed)
    packed.train()
    batch = padded(BATCHES["ragged"])
    plain = gradients(packed, packed(**batch, fused_lm_head=True).loss)
    packed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    packed.enable_input_require_grads()
    assert_gradients_close(gradients(packed, packed(**batch, fused_lm_head=True).loss), plain)


def test_padding_on_the_left_scores_the_same_rows():
    _, packed = twins("gemma3")
    right, left = padded(BATCHES["ragged"]), padded(BATCHES["ragged"], left=True)
    ours = [packed(**batch, fused_lm_head=True) for batch in (right, left)]
    for mine, other in zip(ours[0].log_probs, ours[1].log_probs, strict=True):
        torch.testing.assert_close(mine[mine != 0], other[other != 0], rtol=0, atol=0)


def test_labels_that_are_already_shifted():
    stock, packed = twins("llama")
    batch = padded(BATCHES["ragged"])
    labels = batch.pop("labels")
    shifted = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], dim=1)
    theirs, ours = (model(**batch, shift_labels=shifted, fused_lm_head=True) for model in (stock, packed))
    assert ours.log_probs.shape == labels.shape
    torch.testing.assert_close(ours.log_probs, theirs.log_probs, rtol=1e-5, atol=1e-5)


def test_a_batch_without_labels_is_zero_and_still_differentiable():
    stock, packed = twins("llama")
    batch = padded(BATCHES["ragged"])
    batch["labels"].fill_(-100)
    out = packed(**batch, fused_lm_head=True)
    assert out.loss.item() == stock(**batch, fused_lm_head=True).loss.item() == 0
    assert all((value == 0).all() for value in gradients(packed, out.loss).values())


@pytest.mark.parametrize("family", FAMILIES)
def test_changing_one_branch_leaves_the_others(family):
    _, packed = twins(family)
    rows = [list(row) for row in BATCHES["ragged"]]
    before = packed(**padded(rows), fused_lm_head=True).log_probs.detach()
    rows[1][4:] = [50, 51]
    after = packed(**padded(rows), fused_lm_head=True).log_probs.detach()
    others = [0, 2, 3]
    # the layout sorts rows, so a changed branch may move: the same sums in another order
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=1e-6)
    assert (after[1] - before[1]).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_no_gradient_flows_from_one_branch_to_another(family):
    _, packed = twins(family, lora=False)
    batch = padded(BATCHES["ragged"])
    weights = packed.get_input_embeddings().weight
    # untied, so that only what the branch reads has a gradient
    packed.lm_head.weight = torch.nn.Parameter(packed.lm_head.weight.detach().clone(), requires_grad=False)
    out = packed(**batch, fused_lm_head=True)
    (grad,) = torch.autograd.grad(out.log_probs[1].sum(), weights)
    read = {5, 6, 7, 8, 20}  # its last token is predicted, not read
    assert set(grad.abs().sum(1).nonzero().flatten().tolist()) == read


def test_ordinary_calls_are_left_alone():
    stock, packed = tiny("gemma3"), tiny("gemma3")
    install(packed)
    batch = padded(BATCHES["ragged"])
    batch.pop("labels")
    torch.testing.assert_close(packed(**batch).logits, stock(**batch).logits, rtol=1e-5, atol=1e-5)
    prompt = torch.tensor([[5, 6, 7, 8]])
    settings = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones_like(prompt)}
    assert packed.generate(prompt, **settings).tolist() == stock.generate(prompt, **settings).tolist()


def test_installing_twice_changes_nothing():
    _, packed = twins("llama")
    batch = padded(BATCHES["ragged"])
    before = packed(**batch, fused_lm_head=True).log_probs
    install(packed)
    assert torch.equal(packed(**batch, fused_lm_head=True).log_probs, before)


def test_packed_tokens_without_their_layout_are_refused():
    _, packed = twins("gemma3")
    body = packed.get_base_model().model
    trie = build_trie(BATCHES["ragged"])
    tokens, depth = torch.from_numpy(trie.tokens)[None], torch.from_numpy(trie.depth)[None]
    ticket = torch.tensor(10**9).view(1, 1, 1, 1)
    with pytest.raises(RuntimeError, match="without its layout"):
        body(input_ids=tokens, position_ids=depth, attention_mask=ticket, use_cache=False)
    with pytest.raises(RuntimeError, match="layout of 17 nodes met queries"):
        body(input_ids=tokens[:, 1:], position_ids=depth[:, 1:], attention_mask=carrier(Layout(trie)), use_cache=False)


def test_a_layer_that_attends_past_the_layout_is_found():
    _, packed = twins("llama")
    base = packed.get_base_model()
    batch = padded(BATCHES["ragged"])
    with pytest.raises(RuntimeError, match="only 3 of 4 layers"):
        packed_forward(base, batch["input_ids"], batch["attention_mask"], batch["labels"], layers=4)


def test_attention_that_cannot_be_honoured_is_refused():
    from models.trie.attention import trie_attention

    trie = build_trie([[1, 2, 3]])
    mask = carrier(layout := Layout(trie))
    assert layout.calls == 0
    states = torch.zeros(1, 2, 3, 4)
    with pytest.raises(ValueError, match="attention dropout"):
        trie_attention(torch.nn.Module(), states, states, states, mask, dropout=0.1)
    with pytest.raises(ValueError, match="softcap"):
        trie_attention(torch.nn.Module(), states, states, states, mask, softcap=50.0)


def test_a_hole_in_a_row_and_a_label_on_padding_are_refused():
    batch = {name: value.numpy() for name, value in padded(BATCHES["ragged"]).items()}
    holed = batch["attention_mask"].copy()
    holed[0, 1] = 0
    with pytest.raises(ValueError, match="row 0 has padding between"):
        plan_batch(batch["input_ids"], holed, batch["labels"])
    labels = batch["labels"].copy()
    labels[3, -1] = 4
    with pytest.raises(ValueError, match="attention mask is 0"):
        plan_batch(batch["input_ids"], batch["attention_mask"], labels)


def test_unknown_arguments_are_refused():
    _, packed = twins("llama")
    batch = padded(BATCHES["single"])
    with pytest.raises(ValueError, match="position_ids"):
        packed(**batch, position_ids=torch.zeros(1, 11, dtype=torch.long), fused_lm_head=True)


def test_every_shared_token_is_laid_out_once_and_last_labels_not_at_all():
    """Rows 1 2 3 4, 1 2 3 5 and 1 2 6 with labels from position 2: only 1 2 3 are read."""
    batch = padded([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 6]], answer_from=2)
    labels = batch["labels"].numpy()
    shifted = torch.cat([batch["labels"][:, 1:], torch.full((3, 1), -100)], 1).numpy()
    (plan,) = plan_batch(batch["input_ids"].numpy(), batch["attention_mask"].numpy(), shifted)
    assert plan.trie.tokens.tolist() == [1, 2, 3]
    assert sorted(zip(plan.nodes.tolist(), plan.labels.tolist(), strict=True)) == [(1, 3), (1, 6), (2, 4), (2, 5)]
    assert len(plan.target) == (labels != -100).sum() == 5
