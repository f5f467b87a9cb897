"""The LoRA layer as one operation: PEFT's numbers, and PEFT's own forward wherever it is not plain."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from models.trie import lora
from models.trie.lora import speed_up_lora
from tests.models.trie_cases import assert_gradients_close, count_calls, gradients


class Body(torch.nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 8, bias=bias), torch.nn.Linear(8, 5, bias=bias)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def pair(bias=True, dtype=torch.float32, **options):
    models = []
    for _ in range(2):
        torch.manual_seed(2)
        model = get_peft_model(
            Body(bias).to(dtype), LoraConfig(r=3, lora_alpha=12, target_modules=["first", "second"], **options)
        )
        with torch.no_grad():
            for name, value in model.named_parameters():
                if "lora_B" in name:
                    value.normal_()
        models.append(model)
    assert speed_up_lora(models[1]) == 2
    return models


@pytest.fixture
def calls(monkeypatch):
    """How often the one operation ran."""
    return count_calls(monkeypatch, lora._LoraLinear)


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_equal_peft(bias, calls):
    plain, fast = pair(bias)
    x = torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(0))
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outs = [model(value) for model, value in zip((plain, fast), inputs, strict=True)]
    assert len(calls) == 2
    torch.testing.assert_close(outs[1], outs[0], rtol=1e-6, atol=1e-6)
    for value, out in zip(inputs, outs, strict=True):
        (value.grad,) = torch.autograd.grad(out.square().sum(), value, retain_graph=True)
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-5, atol=1e-5)
    assert_gradients_close(gradients(fast, outs[1].square().sum()), gradients(plain, outs[0].square().sum()))


def test_bfloat16_keeps_float32_gradients_near_pefts(calls):
    plain, fast = pair(dtype=torch.bfloat16)
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).bfloat16()
    theirs, ours = (gradients(model, model(x).float().square().sum()) for model in (plain, fast))
    assert len(calls) == 2
    for name, value in ours.items():
        assert value.dtype == torch.float32
        assert (value - theirs[name]).norm() <= 0.03 * theirs[name].norm()


def test_what_is_not_plain_runs_as_peft_wrote_it(calls):
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    plain, fast = pair()
    for model in (plain, fast):
        model.add_adapter("other", model.peft_config["default"])
    with plain.disable_adapter(), fast.disable_adapter():
        torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=0)
    for model in (plain, fast):
        model.base_model.set_adapter(["default", "other"])
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=0)
    for model in (plain, fast):
        model.base_model.set_adapter("default")
        model.merge_adapter()
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=0)
    assert not calls
    plain, fast = pair(use_dora=True)
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain, fast = pair()
        torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=0)
    assert not calls


def test_the_adapter_in_use_is_the_one_that_counts(calls):
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    plain, fast = pair()
    outs = []
    for model in (plain, fast):
        torch.manual_seed(4)
        model.add_adapter("ref", model.peft_config["default"])
        with torch.no_grad():
            for name, value in model.named_parameters():
                if "lora_B.ref" in name:
                    value.fill_(0.5)
        model.set_adapter("ref")
        outs.append(model(x))
    assert len(calls) == 2
    torch.testing.assert_close(outs[1], outs[0], rtol=1e-6, atol=1e-6)


def test_speeding_up_twice_changes_nothing():
    _, fast = pair()
    assert speed_up_lora(fast) == 0
