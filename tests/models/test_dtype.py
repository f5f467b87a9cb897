"""The precision where nobody asks for one follows the machine."""

import pytest
import torch

import models.dtype
from models.arguments import ModelArguments
from models.decode.lean import Product, quickest_dtype
from models.dtype import half_is_fast, shortest_s, usual_dtype


@pytest.fixture
def machine(monkeypatch):
    """Sets how long products take, s, and whether there is a GPU."""

    def made(bfloat16, float32, gpu=False):
        seconds = {torch.bfloat16: bfloat16, torch.float32: float32}
        monkeypatch.setattr(models.dtype, "_product_s", seconds.__getitem__)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        half_is_fast.cache_clear()

    yield made
    half_is_fast.cache_clear()


@pytest.mark.parametrize(
    ("bfloat16", "float32", "gpu", "expected"),
    [
        (0.5, 1.0, False, "bfloat16"),
        (2.0, 1.0, False, "bfloat16"),
        (2.1, 1.0, False, "float32"),
        (300.0, 1.0, False, "float32"),
        (300.0, 1.0, True, "bfloat16"),
    ],
)
def test_bfloat16_unless_the_processor_is_slow_at_it(machine, bfloat16, float32, gpu, expected):
    machine(bfloat16, float32, gpu)
    assert usual_dtype() == expected
    assert ModelArguments().dtype == expected
    assert ModelArguments().spec().dtype == expected


def test_who_asks_for_a_precision_gets_it(machine):
    machine(300.0, 1.0)
    assert ModelArguments(dtype="bfloat16").spec().dtype == "bfloat16"
    assert ModelArguments(dtype="auto").spec().dtype == "auto"


def test_the_first_round_does_not_count(monkeypatch):
    clock = iter([0.0, 0.1, 1.0, 6.0, 10.0, 14.0, 20.0, 29.0])  # rounds of 0.1, 5, 4 and 9 s
    monkeypatch.setattr(models.dtype.time, "perf_counter", lambda: next(clock))
    assert shortest_s(lambda: None) == 4.0


@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_product_in_each_precision(dtype, rows):
    if dtype == torch.float16 and torch.backends.quantized.engine not in ("fbgemm", "x86"):
        pytest.skip("FBGEMM is for x86")
    generator = torch.Generator().manual_seed(1)
    weight, inputs = torch.randn(48, 64, generator=generator), torch.randn(rows, 1, 64, generator=generator)
    found = Product(weight, dtype)(inputs)
    rounded = inputs.bfloat16().float() if dtype == torch.bfloat16 else inputs
    expected = rounded @ weight.to(dtype).float().T
    assert found.dtype == torch.float32
    assert found.shape == (rows, 1, 48)
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4  # its outputs are rounded too
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    if dtype != torch.float32:
        assert not torch.equal(found, inputs @ weight.T)


def test_what_float16_cannot_hold_stays_float32():
    weight = torch.full((8, 16), 1e5)
    assert torch.equal(Product(weight, torch.float16)(torch.ones(2, 16)), torch.full((2, 8), 1.6e6))


def test_the_quickest_precision_is_one_that_can_be_had():
    assert quickest_dtype() in (torch.float32, torch.bfloat16, torch.float16)
