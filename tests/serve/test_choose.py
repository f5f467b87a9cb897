"""Which model is served."""

import shutil

import pytest

from models.adapter import AdapterError
from models.load import ModelError
from models.runs import RunError
from serve.choose import choose_model
from serve.settings import Settings


@pytest.fixture
def runs(sft_run, tmp_path):
    """A folder of runs that holds copies of one under other names."""

    def make(*names):
        for name in names:
            shutil.copytree(sft_run.path, tmp_path / name)
        return tmp_path

    return make


def test_the_newest_finished_run_dpo_before_sft(runs):
    folder = runs("sft-20260101-000000-aaaaaa")
    assert choose_model(Settings(runs=folder)).run_id == "sft-20260101-000000-aaaaaa"
    runs("dpo-20250101-000000-bbbbbb", "sft-20260103-000000-cccccc")
    chosen = choose_model(Settings(runs=folder))
    assert (chosen.run_id, chosen.name) == ("dpo-20250101-000000-bbbbbb", "tiny-random")
    assert hasattr(chosen.model, "peft_config")


def test_an_unfinished_run_does_not_count(runs):
    folder = runs("sft-20260101-000000-aaaaaa", "dpo-20260101-000000-bbbbbb")
    (folder / "dpo-20260101-000000-bbbbbb" / "manifest.json").unlink()
    assert choose_model(Settings(runs=folder)).run_id == "sft-20260101-000000-aaaaaa"


def test_without_a_run_it_says_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match=r"make quickstart.*launch/sft\.py.*ADAPTER_PATH.*USE_FINETUNED=false"):
        choose_model(Settings(runs=tmp_path))


def test_a_run_by_its_directory_or_by_its_adapter(sft_run):
    for path in (sft_run.path, sft_run.adapter):
        assert choose_model(Settings(adapter_path=path)).run_id == sft_run.id


def test_an_adapter_outside_a_run(sft_run, tmp_path):
    folder = tmp_path / "finetuned_model_chat_large"
    shutil.copytree(sft_run.adapter, folder)
    chosen = choose_model(Settings(adapter_path=folder, base_model="tiny-random"))
    assert (chosen.run_id, chosen.name) == ("finetuned_model_chat_large", "tiny-random")


def test_an_adapter_of_another_base_model_is_refused(sft_run, tmp_path):
    folder = tmp_path / "adapter"
    shutil.copytree(sft_run.adapter, folder)
    identity = folder / "ondo.json"
    identity.write_text(identity.read_text().replace('"weights_hash": "', '"weights_hash": "0'), encoding="utf-8")
    with pytest.raises(AdapterError, match="was trained on"):
        choose_model(Settings(adapter_path=folder, base_model="tiny-random"))


def test_a_path_that_holds_nothing(tmp_path):
    with pytest.raises(RunError, match="no run in"):
        choose_model(Settings(adapter_path=tmp_path))


def test_the_base_model_alone(sft_run):
    chosen = choose_model(Settings(use_finetuned=False, base_model="tiny-random", runs=sft_run.path.parent))
    assert (chosen.run_id, chosen.name) == (None, "tiny-random")
    assert not hasattr(chosen.model, "peft_config")


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_quantised_weights_need_a_gpu(quantization, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = Settings(use_finetuned=False, base_model="tiny-random", quantization=quantization)
    with pytest.raises(ModelError, match=f"QUANTIZATION={quantization} needs a GPU: set QUANTIZATION=none"):
        choose_model(settings)
