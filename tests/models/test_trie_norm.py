"""The norm as one operation: the formula in float64, and a module's own forward where it differs."""

import pytest
import torch
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from models.trie import install, norm
from models.trie.norm import speed_up_norms
from tests.models.trie_cases import count_calls, tiny

WIDTH = 6
SHIFTS = {Gemma3RMSNorm: 1.0, LlamaRMSNorm: 0.0, Qwen3RMSNorm: 0.0}


@pytest.fixture
def calls(monkeypatch):
    """How often the one operation ran."""
    return count_calls(monkeypatch, norm._RmsNorm)


def make(kind, dtype=torch.float32):
    torch.manual_seed(5)
    module = kind(WIDTH, eps=1e-6).to(dtype).requires_grad_(False)
    module.weight.normal_()
    return module


def vectors(shape, dtype=torch.float32):
    # rows of very different lengths, one where eps counts
    values = torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(3))
    values[..., 0, :] *= 1e-3
    values[..., -1, :] *= 50
    return values.to(dtype)


def formula(x, factor, eps=1e-6):
    wide = x.double()
    return factor.double() * wide / (wide.square().mean(-1, keepdim=True) + eps).sqrt()


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("kind", SHIFTS)
def test_value_and_gradient_are_those_of_the_formula(kind, heads, calls):
    module = make(kind)
    assert speed_up_norms(module) == 1
    calls.clear()
    # a layer normalises queries of shape (1, heads, T, width) that lie as (1, T, heads, width)
    x = vectors((1, 8, 2)).transpose(1, 2) if heads else vectors((1, 8))
    ours, theirs = x.clone().requires_grad_(), x.double().requires_grad_()
    weights = torch.linspace(-1, 2, x.numel()).view(x.shape)
    y = module(ours)
    expected = formula(theirs, module.weight + SHIFTS[kind])
    assert calls == [1]
    torch.testing.assert_close(y.double(), expected, rtol=1e-6, atol=1e-6)
    (y * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", SHIFTS)
def test_bfloat16_is_rounded_once(kind):
    module = make(kind, torch.bfloat16)
    speed_up_norms(module)
    x = vectors((1, 8), torch.bfloat16)
    y, exact = module(x), formula(x, module.weight.float() + SHIFTS[kind])
    assert y.dtype == torch.bfloat16
    assert ((y.double() - exact).abs() <= 2**-8 * 1.001 * exact.abs()).all()


@pytest.mark.parametrize("kind", SHIFTS)
def test_a_trained_weight_gets_its_gradient(kind, calls):
    module = make(kind)
    speed_up_norms(module)
    calls.clear()
    module.requires_grad_(True)
    module(vectors((1, 4))).sum().backward()
    assert not calls
    assert module.weight.grad.abs().sum() > 0


def test_a_weight_that_changes_later_counts():
    module = make(Gemma3RMSNorm)
    speed_up_norms(module)
    module.weight.fill_(1.0)
    x = vectors((1, 4))
    torch.testing.assert_close(module(x).double(), formula(x, torch.full((WIDTH,), 2.0)), rtol=1e-6, atol=1e-6)


class CentredRMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(WIDTH)), 1e-6

    def forward(self, x):
        return nn.functional.layer_norm(x, (WIDTH,), self.weight, eps=self.eps)


class OtherEpsRMSNorm(LlamaRMSNorm):
    def forward(self, hidden_states):
        return self.weight * hidden_states * (hidden_states.square().mean(-1, keepdim=True) + 1e-5).rsqrt()


class BiasedRMSNorm(LlamaRMSNorm):
    def __init__(self, width):
        super().__init__(width)
        self.bias = nn.Parameter(torch.zeros(width))


class GatedRMSNorm(LlamaRMSNorm):
    def forward(self, hidden_states, gate):
        return super().forward(hidden_states) * gate


@pytest.mark.parametrize(
    "module",
    [CentredRMSNorm(), OtherEpsRMSNorm(WIDTH), BiasedRMSNorm(WIDTH), GatedRMSNorm(WIDTH), nn.RMSNorm(WIDTH)],
    ids=lambda module: type(module).__name__,
)
def test_another_norm_is_left_alone(module):
    assert speed_up_norms(module) == 0


@pytest.mark.parametrize(("family", "count"), [("llama", 7), ("gemma3", 19), ("qwen3", 13)])
def test_a_packed_model_has_them_all_changed_once(family, count):
    # 3 layers and the last norm: 2 a layer in Llama, 4 with queries and keys in Qwen 3, 6 in Gemma 3
    assert speed_up_norms(tiny(family)) == count
    model = tiny(family)
    install(model)
    assert speed_up_norms(model) == 0
