"""The screened head gives the exact word; sampling follows the softmax, one word for one number."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from models.decode import head
from models.decode.head import Head
from models.decode.sampling import draw, uniforms


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(head, "COLUMNS", 50)
    monkeypatch.setattr(head, "_CHUNK", 30)


def problem(rows=40, words=333, width=24, spread=1.0):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(words, width, generator=generator)
    return spread * torch.randn(rows, width, generator=generator), weight


@pytest.mark.parametrize("screened", [False, True])
def test_the_best_word(screened):
    hidden, weight = problem()
    expected = (hidden.double() @ weight.double().t()).argmax(1)
    assert torch.equal(Head(weight, screened=screened).best(hidden), expected)


@pytest.mark.parametrize("screened", [False, True])
def test_words_that_half_precision_cannot_tell_apart(screened):
    """Every word twice, the second time a hair longer; all of them are the same in bfloat16."""
    hidden, weight = problem(rows=60, words=100)
    weight = weight.bfloat16().float()
    twice = torch.cat([weight, weight * (1 + 1e-5)])
    assert torch.equal(twice[:100].bfloat16(), twice[100:].bfloat16())
    best = (hidden @ weight.t()).argmax(1)
    positive = (hidden @ weight.t()).amax(1) > 0
    assert torch.equal(Head(twice, screened=screened).best(hidden)[positive], best[positive] + 100)


@pytest.mark.parametrize("screened", [False, True])
def test_of_equal_words_the_first(screened):
    hidden, weight = problem(words=60)
    expected = (hidden @ weight.t()).argmax(1)
    assert torch.equal(Head(torch.cat([weight, weight, weight]), screened=screened).best(hidden), expected)


def test_when_all_words_come_into_question_the_exact_product_decides(monkeypatch):
    monkeypatch.setattr(head, "_CROWD", 5)
    hidden, _ = problem(rows=3)
    weight = torch.ones(200, 24)
    weight[170] += 1e-5 * hidden[0].sign()
    screened = Head(weight, screened=True)
    assert screened._best_screened(hidden, screened._coarse) is None
    assert screened.best(hidden)[0] == 170


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 200), st.floats(0.01, 10))
@settings(max_examples=50, deadline=None)
def test_coarse_logits_keep_to_the_bound(seed, length, size):
    generator = torch.Generator().manual_seed(seed)
    hidden, weight = length * torch.randn(8, 16, generator=generator), size * torch.randn(40, 16, generator=generator)
    made = Head(weight, screened=True)
    assert made._bound_holds(hidden)
    assert torch.equal(made.best(hidden), Head(weight, screened=False).best(hidden))


def test_a_product_that_breaks_the_bound_is_noticed():
    """As on a machine that accumulates in bfloat16."""
    hidden, weight = problem(rows=8, words=50)
    made = Head(weight, screened=True)
    made._coarse = made._coarse + 0.1
    assert not made._bound_holds(hidden)


def test_where_half_precision_is_slow_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(head, "_SMALL", 0)
    monkeypatch.setattr(head, "_timings", {})
    monkeypatch.setattr(head, "half_is_fast", lambda: False)
    assert not Head(problem()[1]).screened
    assert head.timings() == {}


def test_the_choice_is_measured_once_for_each_head_and_recorded(monkeypatch):
    monkeypatch.setattr(head, "_SMALL", 0)
    monkeypatch.setattr(head, "half_is_fast", lambda: True)
    monkeypatch.setattr(head, "_timings", {})
    _, weight = problem()
    first = Head(weight)
    [(name, timing)] = head.timings().items()
    assert name.startswith("333x24, ")
    assert first.screened == timing.screened
    monkeypatch.setattr(head, "_seconds", None)
    assert Head(weight).screened == first.screened


@pytest.mark.parametrize(
    ("timing", "taken"), [((2.0, 1.0, True), True), ((1.0, 2.0, True), False), ((2.0, 1.0, False), False)]
)
def test_what_is_faster_and_keeps_to_the_bound_is_taken(monkeypatch, timing, taken):
    monkeypatch.setattr(head, "_SMALL", 0)
    monkeypatch.setattr(head, "half_is_fast", lambda: True)
    monkeypatch.setattr(head, "_timings", {(333, 24, torch.get_num_threads()): head.Timing(*timing)})
    assert Head(problem()[1]).screened is taken


def test_bias_scale_and_cap():
    hidden, weight = problem(words=70)
    bias = torch.linspace(-3, 3, 70)
    made = Head(weight, bias, 0.5, 2.0)
    expected = 2.0 * torch.tanh((0.5 * hidden @ weight.t() + bias) / 2.0)
    torch.testing.assert_close(made.logits(hidden), expected)
    assert torch.equal(made.best(hidden), expected.argmax(1))
    with pytest.raises(ValueError, match="plain head"):
        Head(weight, bias, screened=True)


def test_draws_invert_the_distribution():
    """Probabilities 1/2, 0, 1/4, 1/4: bounds at 0.5 and 0.75, the word without probability is never drawn."""
    logits = torch.tensor([0.5, 0.0, 0.25, 0.25]).log()
    numbers = torch.tensor([0.0, 0.49, 0.51, 0.74, 0.76, 1 - 2**-53], dtype=torch.float64)
    assert draw(logits.repeat(6, 1), 1.0, numbers).tolist() == [0, 0, 2, 2, 3, 3]


def test_temperature_sharpens_or_flattens():
    """At temperature 1/2 the weights are squared: 4 to 1, so the bound lies at 0.8 instead of 2/3."""
    logits = torch.tensor([2.0, 1.0]).log().repeat(2, 1)
    numbers = torch.tensor([0.79, 0.81], dtype=torch.float64)
    assert draw(logits.clone(), 0.5, numbers).tolist() == [0, 1]
    assert draw(logits.clone(), 1.0, numbers).tolist() == [1, 1]


@pytest.mark.parametrize("words", [7, 512, 1300])
def test_draws_follow_the_softmax(words):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(words, generator=generator)
    numbers = uniforms(20_000, "test", words)
    drawn = torch.cat([draw(logits.repeat(1000, 1), 1.0, part) for part in numbers.split(1000)])
    assert drawn.max() < words
    order = logits.argsort(descending=True)
    bins = torch.empty(words, dtype=torch.long)
    bins[order] = torch.arange(words) * 7 // words
    observed = torch.bincount(bins[drawn], minlength=7)
    expected = torch.zeros(7).index_add(0, bins, logits.softmax(0)).double()
    assert chisquare(observed.numpy(), (expected / expected.sum() * 20_000).numpy()).pvalue > 1e-3


def test_numbers_depend_on_every_part_of_the_key():
    first = uniforms(5, 0, -3, 12, 0)
    assert torch.equal(first, uniforms(5, 0, -3, 12, 0))
    assert torch.equal(first[:3], uniforms(3, 0, -3, 12, 0))
    for other in [(1, -3, 12, 0), (0, 3, 12, 0), (0, -3, 1, 20), (0, -3, 12, 1)]:
        assert not torch.equal(first, uniforms(5, *other))
    assert ((first >= 0) & (first < 1)).all()
