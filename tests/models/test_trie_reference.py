"""Reference log-probabilities are found by a key that holds everything they depend on."""

import json

import pytest
import torch

from models.trie.reference import load_reference, reference_key, reference_weights, save_reference
from tests.models.trie_cases import tiny

PAIRS = [([1, 2], [3, 4], [3, 5]), ([1, 2], [3, 4], [6])]
SETTINGS = {"max_length": None, "truncation_mode": "keep_start", "ld_alpha": None, "dtype": "float32"}


def key(weights=None, pairs=PAIRS, **settings):
    weights = [("a", torch.arange(4.0)), ("b", torch.ones(2))] if weights is None else weights
    return reference_key(weights, pairs, {**SETTINGS, **settings})


def test_the_same_ingredients_give_the_same_key():
    assert key() == key([("b", torch.ones(2)), ("a", torch.arange(4.0))])


@pytest.mark.parametrize(
    "other",
    [
        key([("a", torch.arange(4.0)), ("b", torch.tensor([1.0, 1.0000001]))]),  # a weight's last bit
        key([("a", torch.arange(4.0)), ("c", torch.ones(2))]),
        key([("a", torch.arange(4.0).view(2, 2)), ("b", torch.ones(2))]),
        key([("a", torch.arange(4.0).bfloat16()), ("b", torch.ones(2))]),
        key(pairs=[([1, 2], [3, 4], [3, 6]), PAIRS[1]]),  # a token of an answer
        key(pairs=[([1, 9], [3, 4], [3, 5]), PAIRS[1]]),  # of a prompt: another template shows here
        key(pairs=[([1], [2, 3, 4], [2, 3, 5]), PAIRS[1]]),  # the same tokens, cut elsewhere
        key(pairs=PAIRS[::-1]),
        key(pairs=PAIRS[:1]),
        key(max_length=512),
        key(truncation_mode="keep_end"),
        key(ld_alpha=0.5),
        key(dtype="bfloat16"),
        key(autocast="bf16"),
    ],
)
def test_every_ingredient_changes_the_key(other):
    assert other != key()


def test_only_the_reference_adapter_counts():
    model = tiny("llama")
    model.add_adapter("ref", model.peft_config["default"])
    before = {name: reference_key(reference_weights(model, name), PAIRS, SETTINGS) for name in ("ref", None)}
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".default." in name:
                value += 1
    assert reference_key(reference_weights(model, "ref"), PAIRS, SETTINGS) == before["ref"]
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".ref." in name:
                value += 1
    assert reference_key(reference_weights(model, "ref"), PAIRS, SETTINGS) != before["ref"]
    assert reference_key(reference_weights(model, None), PAIRS, SETTINGS) == before[None]
    with torch.no_grad():
        model.get_base_model().model.norm.weight += 1
    assert reference_key(reference_weights(model, None), PAIRS, SETTINGS) != before[None]


def test_values_survive_the_file_to_the_last_bit(tmp_path):
    values = torch.randn(5).tolist()
    save_reference(tmp_path / "new", "k", values, values[::-1])
    assert load_reference(tmp_path / "new", "k", 5) == (values, values[::-1])
    assert load_reference(tmp_path / "new", "other", 5) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        json.dumps({"chosen": [1.0]}),
        json.dumps({"chosen": [1.0], "rejected": []}),
        "null",
        '{"chosen": [NaN], "rejected": [1.0]}',
    ],
)
def test_a_damaged_file_is_named(text, tmp_path):
    (tmp_path / "k.json").write_text(text)
    with pytest.raises(ValueError, match=r"k\.json .*delete it"):
        load_reference(tmp_path, "k", 1)
