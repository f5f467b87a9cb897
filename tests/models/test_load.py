"""Base models by name, and what is said when one cannot be had."""

import importlib
import shutil
from hashlib import sha256

import pytest
import torch

from models import load
from models.embedded import EMBEDDED_NAME
from models.load import ModelError, ModelSpec, load_base
from models.lora import LoraArguments
from models.quantize import quantization_config
from models.template import GEMMA_TEMPLATE, stop_token_id
from models.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``tiny-random`` in a folder, as any model of the user's own."""
    path = tmp_path_factory.mktemp("own")
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(path)
    tiny_model(len(tokenizer)).save_pretrained(path)
    return path


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "model")


def test_tiny_random_is_the_same_every_time_and_leaves_the_random_state_alone():
    torch.manual_seed(4)
    state = torch.get_rng_state()
    one, other = load_base(ModelSpec("tiny-random")), load_base(ModelSpec("tiny-random"))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.weights_hash == other.weights_hash
    for (name, left), (_, right) in zip(one.model.named_parameters(), other.model.named_parameters(), strict=True):
        assert torch.equal(left, right), name


def test_tiny_random_has_a_token_for_each_digit_and_ends_on_the_turn():
    loaded = load_base(ModelSpec("tiny-random"))
    assert len(loaded.tokenizer("1234567890", add_special_tokens=False)["input_ids"]) == 10
    assert loaded.model.generation_config.eos_token_id == stop_token_id(loaded.tokenizer)
    assert loaded.model.get_input_embeddings().weight.shape[0] == len(loaded.tokenizer)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("bfloat16", torch.bfloat16), ("float32", torch.float32), ("auto", torch.float32)]
)
def test_dtype_and_a_hash_that_does_not_depend_on_it(dtype, expected, folder):
    for name in ("tiny-random", str(folder)):
        loaded = load_base(ModelSpec(name, dtype=dtype))
        assert loaded.model.dtype == expected
        assert loaded.weights_hash == load_base(ModelSpec(name, dtype="float32")).weights_hash
        assert not loaded.model.training


@pytest.mark.parametrize("name", ["tiny-random", "folder"])
def test_adapters_get_a_name_that_names_no_folder_of_a_cache(name, folder):
    asked = str(folder) if name == "folder" else name
    loaded = load_base(ModelSpec(asked))
    expected = asked if name == "folder" else "ondo:tiny-random"
    assert loaded.model.name_or_path == loaded.model.config._name_or_path == expected


def test_a_folder_gives_the_same_weights(folder):
    own, built = (
        load_base(ModelSpec(str(folder), dtype="float32")),
        load_base(ModelSpec("tiny-random", dtype="float32")),
    )
    for (name, left), (_, right) in zip(own.model.named_parameters(), built.model.named_parameters(), strict=True):
        assert torch.equal(left, right), name
    assert own.tokenizer.chat_template == GEMMA_TEMPLATE


def test_the_hash_of_a_folder_follows_its_weights(copied):
    before = load_base(ModelSpec(str(copied))).weights_hash
    tiny_model(len(tiny_tokenizer()) + 1).save_pretrained(copied)
    assert load_base(ModelSpec(str(copied))).weights_hash != before


def test_a_folder_without_weights(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no \*\.safetensors"):
        load_base(ModelSpec(str(copied)))


@pytest.mark.parametrize("name", ["/no/such/model", "./no-such-model", "~/no-such-model"])
def test_no_such_folder(name):
    with pytest.raises(ModelError, match="no such folder"):
        load_base(ModelSpec(name))


def test_another_embedded_model():
    with pytest.raises(ModelError, match=f"the embedded model is called {EMBEDDED_NAME}"):
        load_base(ModelSpec("embedded:gemma-3-1b"))


def test_a_folder_that_is_no_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_base(ModelSpec(str(tmp_path)))


def test_without_a_template_gemma_turns_are_taken(copied):
    (copied / "chat_template.jinja").unlink()
    assert load_base(ModelSpec(str(copied))).tokenizer.chat_template == GEMMA_TEMPLATE


def test_without_a_template_and_without_turn_markers(copied, monkeypatch):
    (copied / "chat_template.jinja").unlink()
    monkeypatch.setattr(load, "START_OF_TURN", "<|turn|>")
    with pytest.raises(ModelError, match=r"has no chat template.*instruction-tuned"):
        load_base(ModelSpec(str(copied)))


def test_a_template_that_never_stops(copied):
    (copied / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(ModelError, match="never learn to stop"):
        load_base(ModelSpec(str(copied)))


def test_padding_falls_back_to_the_end_token(copied, monkeypatch):
    loaded = load_base(ModelSpec(str(copied)))
    assert loaded.tokenizer.pad_token == "<pad>"
    bare = tiny_tokenizer()
    bare.pad_token = None
    bare.save_pretrained(copied)
    tokenizer = load_base(ModelSpec(str(copied))).tokenizer
    assert tokenizer.pad_token == tokenizer.eos_token


@pytest.mark.parametrize("revision", [None, "main", "abc123", "G" * 40])
def test_code_that_comes_with_a_model_asks_for_a_commit(revision):
    with pytest.raises(ModelError, match="full 40-digit commit"):
        load_base(ModelSpec("someone/model", revision=revision, trust_remote_code=True))


class Stub:
    """Stands in for transformers' Auto classes and keeps what it was called with."""

    def __init__(self, value):
        self.value, self.calls = value, []

    def from_pretrained(self, where, **options):
        self.calls.append((where, options))
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def hub(monkeypatch):
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    model.config._commit_hash = "c" * 40
    models, tokenizers = Stub(model), Stub(tokenizer)
    # looked up now: the package puts another module in its own place while it is imported
    transformers = importlib.import_module("transformers")
    monkeypatch.setattr(transformers, "AutoModelForCausalLM", models)
    monkeypatch.setattr(transformers, "AutoTokenizer", tokenizers)
    return models, tokenizers


def test_a_hub_model_is_known_by_its_commit(hub):
    models, tokenizers = hub
    loaded = load_base(ModelSpec("someone/model", revision="v2"))
    assert loaded.weights_hash == sha256(b"someone/model@" + b"c" * 40).hexdigest()
    assert models.calls[0][1] == {"dtype": torch.bfloat16, "revision": "v2", "trust_remote_code": False}
    assert tokenizers.calls[0] == ("someone/model", {"revision": "v2", "trust_remote_code": False})


def test_trusted_code_at_a_commit_is_passed_on(hub):
    load_base(ModelSpec("someone/model", revision="a" * 40, trust_remote_code=True))
    for stub in hub:
        assert stub.calls[0][1]["trust_remote_code"] is True
        assert stub.calls[0][1]["revision"] == "a" * 40


@pytest.mark.parametrize("error", [OSError("no network"), ValueError("unknown type"), ImportError("needs x")], ids=str)
def test_what_the_library_says_is_passed_on_with_the_name(hub, error):
    hub[0].value = error
    with pytest.raises(ModelError, match=f"'someone/model' cannot be loaded: {error}"):
        load_base(ModelSpec("someone/model"))


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_a_quantised_model(hub, quantization):
    load_base(ModelSpec("someone/model", quantization=quantization))
    config = hub[0].calls[0][1]["quantization_config"]
    assert config.load_in_4bit == (quantization == "4bit")
    assert config.load_in_8bit == (quantization == "8bit")


def test_four_bits_follow_qlora():
    config = quantization_config("4bit", torch.bfloat16)
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant
    assert config.bnb_4bit_compute_dtype == torch.bfloat16
    assert quantization_config("none", torch.bfloat16) is None
    with pytest.raises(ValueError, match="'5bit': expected one of none, 8bit, 4bit"):
        quantization_config("5bit", torch.bfloat16)  # type: ignore[arg-type]


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_small_models_are_not_quantised(quantization, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="set quantization: none"):
        load_base(ModelSpec("tiny-random", quantization=quantization))
    monkeypatch.setattr(load, "embedded_folder", lambda: ("unused", "hash"))
    with pytest.raises(ModelError, match="set quantization: none"):
        load_base(ModelSpec(EMBEDDED_NAME, quantization=quantization))


def test_lora_settings():
    config = LoraArguments(lora_r=8, lora_alpha=16, lora_dropout=0.1).peft_config()
    assert (config.r, config.lora_alpha, config.lora_dropout, config.target_modules) == (8, 16, 0.1, "all-linear")
    assert config.task_type == "CAUSAL_LM"
    assert LoraArguments(lora_target_modules=["q_proj", "v_proj"]).peft_config().target_modules == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("lora_r", 0), ("lora_dropout", 1.0), ("lora_dropout", -0.1), ("lora_target_modules", [])],
)
def test_lora_settings_out_of_range_name_the_key(key, value):
    with pytest.raises(ValueError, match=key):
        LoraArguments(**{key: value})
