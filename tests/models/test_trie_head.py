"""The head without logits, against the plain softmax in float64."""

import pytest
import torch

from models.trie import head
from models.trie.head import score_labels


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(head, "ROWS", 3)
    monkeypatch.setattr(head, "COLUMNS", 7)


def problem(dtype=torch.float32, rows=8, vocabulary=37, width=5):
    generator = torch.Generator().manual_seed(3)
    hidden = (3 * torch.randn(rows, width, generator=generator)).to(dtype)
    weight = torch.randn(vocabulary, width, generator=generator).to(dtype)
    bias = torch.randn(vocabulary, generator=generator).to(dtype)
    labels = torch.randint(vocabulary, (rows,), generator=generator)
    return hidden, weight, bias, labels


def plain(hidden, weight, bias, scale=1.0, softcap=None):
    logits = scale * hidden.double() @ weight.double().t()
    if bias is not None:
        logits = logits + bias.double()
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("biased", [False, True])
def test_values_equal_the_plain_softmax(scale, softcap, biased):
    hidden, weight, bias, labels = problem()
    labels[0] = int(plain(hidden, weight, bias if biased else None, scale, softcap)[0].argmax())
    scores = score_labels(hidden, weight, bias if biased else None, labels, scale=scale, softcap=softcap)
    logits = plain(hidden, weight, bias if biased else None, scale, softcap)
    log_p = logits.log_softmax(-1)
    torch.testing.assert_close(scores.log_probs.double(), log_p.gather(1, labels[:, None])[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores.entropy.double(), -(log_p.exp() * log_p).sum(1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores.mean_logits.double(), logits.mean(1), rtol=1e-5, atol=1e-5)
    expected = (2 * log_p).logsumexp(1)
    torch.testing.assert_close(scores.log_sum_sq_probs.double(), expected, rtol=1e-5, atol=1e-5)
    assert scores.is_top1.tolist() == (logits.argmax(1) == labels).tolist()
    assert scores.is_top1[0]


@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("trained_head", [False, True])
def test_gradients_equal_the_plain_softmax(softcap, trained_head):
    hidden, weight, bias, labels = (part.clone() for part in problem())
    factors = torch.linspace(-1, 2, len(labels))
    inputs = [hidden.requires_grad_()]
    if trained_head:
        inputs += [weight.requires_grad_(), bias.requires_grad_()]
    ours = torch.autograd.grad(
        (score_labels(hidden, weight, bias, labels, softcap=softcap).log_probs * factors).sum(), inputs
    )
    log_p = plain(hidden, weight, bias, 1.0, softcap).log_softmax(-1).gather(1, labels[:, None])[:, 0]
    theirs = torch.autograd.grad((log_p * factors).sum(), inputs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() <= 1e-5 * other.norm()


def test_a_tie_belongs_to_the_first_word():
    weight = torch.zeros(20, 2)
    weight[4] = weight[15] = torch.tensor([1.0, 0.0])
    for labels in ([4, 15], [4, 15, 15], [4, 4, 15]):  # the tile with the most labels is computed first
        hidden = torch.tensor([[2.0, 0.0]]).repeat(len(labels), 1)
        found = score_labels(hidden, weight, None, torch.tensor(labels)).is_top1.tolist()
        assert found == [label == 4 for label in labels]


def test_large_logits_do_not_overflow():
    hidden, weight, _, labels = problem()
    scores = score_labels(hidden * 1000, weight, None, labels)
    expected = plain(hidden * 1000, weight, None).log_softmax(-1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(scores.log_probs.double(), expected, rtol=1e-5, atol=1e-2)
    assert torch.isfinite(torch.stack([column for column in scores if column.is_floating_point()])).all()


def test_dropping_improbable_words_moves_the_gradient_by_less_than_their_mass():
    hidden, weight, _, labels = problem(vocabulary=70)
    hidden = (2 * hidden).requires_grad_()
    exact, cut = (
        torch.autograd.grad(score_labels(hidden, weight, None, labels, drop=drop).log_probs.sum(), hidden)[0]
        for drop in (0.0, 1e-4)
    )
    bound = 70 * 1e-4 * weight.norm(dim=1).max()
    assert 0 < (exact - cut).norm(dim=1).max() <= bound


def test_words_are_dropped_by_what_all_tiles_so_far_say_of_them():
    # the label's tile goes first; beside its logit of 5 the words of the other tile have p = 1 / (e^5 + 13) = 0.0062
    weight = torch.randn(14, 3, generator=torch.Generator().manual_seed(1))
    weight[:, 0] = 0.0
    weight[9, 0] = 5.0
    hidden = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    log_prob = score_labels(hidden, weight, None, torch.tensor([9]), drop=0.01).log_probs
    (slope,) = torch.autograd.grad(log_prob.sum(), hidden)
    p = torch.softmax(weight[:, 0], 0)
    torch.testing.assert_close(slope[0], weight[9] - p[9] * weight[9], rtol=1e-5, atol=1e-6)


def test_bfloat16_is_as_near_as_its_rounding():
    hidden, weight, _, labels = problem(torch.bfloat16)
    scores = score_labels(hidden, weight, None, labels)
    log_p = plain(hidden, weight, None).log_softmax(-1).gather(1, labels[:, None])[:, 0]
    assert (scores.log_probs.double() - log_p).abs().max() < 0.1


def test_shapes_that_do_not_fit_are_refused():
    hidden, weight, _, labels = problem()
    with pytest.raises(ValueError, match="head"):
        score_labels(hidden, weight[:, :2], None, labels)
