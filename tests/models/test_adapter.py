"""Adapters: saved alone, loaded as they were, refused on another base model, another template or when damaged."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model

from data.reading import Reading
from models.adapter import IDENTITY, AdapterError, check_identity, load_adapter, save_adapter
from models.generate import generate_notices
from models.load import ModelSpec, load_base

SPEC = ModelSpec("tiny-random", dtype="float32")


@pytest.fixture
def loaded():
    return load_base(SPEC)


@pytest.fixture
def saved(tmp_path, loaded):
    """Folder of a trained adapter, and the notices of the model that was trained."""
    model = get_peft_model(loaded.model, LoraConfig(r=4, target_modules=["q_proj", "down_proj"]))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter += 0.5 * torch.randn(parameter.shape, generator=generator)
    model.add_adapter("reference", LoraConfig(r=2, target_modules=["k_proj"]))
    folder = tmp_path / "adapter"
    save_adapter(model, loaded, folder)
    return folder, notices(model.eval(), loaded.tokenizer)


def notices(model, tokenizer):
    return [a.text for [a] in generate_notices(model, tokenizer, [Reading(1, 5), Reading(30, 12)], max_new_tokens=8)]


def edit(folder, **changes):
    path = folder / IDENTITY
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_loaded_writes_what_was_saved(saved, loaded):
    folder, expected = saved
    fresh = load_base(SPEC)
    assert notices(fresh.model, fresh.tokenizer) != expected
    model = load_adapter(fresh, folder)
    assert list(model.peft_config) == ["default"]
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert notices(model, fresh.tokenizer) == expected


def test_only_the_default_adapter_is_saved(saved):
    folder, _ = saved
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set()
    assert (folder / "adapter_model.safetensors").is_file()
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["r"] == 4
    assert config["base_model_name_or_path"] == "ondo:tiny-random"


def test_trainable_on_request(saved):
    model = load_adapter(load_base(SPEC), saved[0], trainable=True)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_no_adapter(loaded, tmp_path):
    with pytest.raises(AdapterError, match=r"adapter_config\.json is missing"):
        load_adapter(loaded, tmp_path)


def test_another_base_model(saved, loaded):
    edit(saved[0], weights_hash="0" * 64, base_model="embedded:gemma-3-270m")
    with pytest.raises(
        AdapterError, match=r"trained on 'embedded:gemma-3-270m' \(weights 000000000000\), not on 'tiny"
    ):
        load_adapter(load_base(SPEC), saved[0])


def test_another_chat_template(saved):
    fresh = load_base(SPEC)
    fresh.tokenizer.chat_template += " "
    with pytest.raises(AdapterError, match="another chat template"):
        check_identity(fresh, saved[0])


def test_an_adapter_of_other_tools_is_known_by_its_base_model(saved):
    folder, expected = saved
    (folder / IDENTITY).unlink()
    fresh = load_base(SPEC)
    assert notices(load_adapter(fresh, folder), fresh.tokenizer) == expected
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "google/gemma-3-270m"}))
    with pytest.raises(AdapterError, match="trained on 'google/gemma-3-270m', not on 'tiny-random'"):
        check_identity(load_base(SPEC), folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"weights_hash": "x"}'])
def test_a_damaged_identity_is_named(saved, content):
    path = saved[0] / IDENTITY
    path.write_text(content)
    with pytest.raises(AdapterError, match=r"ondo\.json"):
        check_identity(load_base(SPEC), saved[0])


def test_a_damaged_config_is_named(saved):
    (saved[0] / IDENTITY).unlink()
    (saved[0] / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterError, match=r"adapter_config\.json"):
        check_identity(load_base(SPEC), saved[0])


def test_weights_cut_short(saved):
    path = saved[0] / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AdapterError, match="does not fit tiny-random"):
        load_adapter(load_base(SPEC), saved[0])


def test_weights_of_another_shape(saved):
    path = saved[0] / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 3}))
    with pytest.raises(AdapterError, match="does not fit tiny-random"):
        load_adapter(load_base(SPEC), saved[0])
