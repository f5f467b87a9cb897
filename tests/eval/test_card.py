"""Model cards: what the hub reads, with the measured numbers; and uploading, which is off."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard

from eval import card as card_module
from eval.card import CARD, card, finish_card, write_card
from eval.record import save_evaluation
from models.runs import Run
from tests.eval.gathered import outcomes


@pytest.fixture
def run(sft_run: Run, tmp_path: Path) -> Run:
    shutil.copytree(sft_run.path, tmp_path / sft_run.id)
    return Run(tmp_path / sft_run.id)


def test_a_training_leaves_its_card(sft_run: Run) -> None:
    found = ModelCard.load(sft_run.adapter / CARD)
    assert (found.data.library_name, found.data.language, found.data.model_name) == ("peft", "ko", sft_run.id)
    assert "Not evaluated yet." in found.text
    assert "fine-tuned on written notices" in found.text
    assert sft_run.manifest["lineage"]["outputs"][0]["digest"] in found.text
    assert str(sft_run.path.parent) not in found.content


def test_an_evaluation_brings_its_numbers(run: Run) -> None:
    save_evaluation(outcomes(run.id, [True, False, False, True]), run.eval)
    save_evaluation(outcomes(run.id, [True], split="guide"), run.eval)
    found = ModelCard.load(write_card(run))
    overall = [result for result in found.data.eval_results if result.metric_args["measure"] == "overall"]
    assert [(result.dataset_split, result.metric_value) for result in overall] == [("test-mini", 0.5), ("guide", 1.0)]
    args = overall[0].metric_args
    assert args["readings"] == 4
    assert (args["low"], args["high"]) == pytest.approx((0.150039, 0.849961), abs=1e-6)
    assert "| test-mini | overall | 2 of 4 | 50.0% | 15.0% - 85.0% |" in found.text


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("embedded:gemma-3-270m", {"base_model": None, "license": "gemma"}),
        ("KORMo-Team/KORMo-10B-sft", {"base_model": "KORMo-Team/KORMo-10B-sft", "license": None}),
        ("tiny-random", {"base_model": None, "license": None}),
        ("/models/mine", {"base_model": None, "license": None}),
    ],
)
def test_only_what_the_hub_knows_is_named_as_base(base: str, told: dict[str, Any], sft_run: Run) -> None:
    found = card("x", {**sft_run.manifest, "base_model": base}, [])
    assert {key: getattr(found.data, key) for key in told} == told
    assert f"`{base}`" in found.text


def hub(calls: list[Any], *, fails: bool = False) -> Any:
    class Hub:
        endpoint = "http://hub"

        def create_repo(self, name: str, **more: Any) -> Any:
            calls.append(("create", name, more))
            return SimpleNamespace(repo_id=f"me/{name}")

        def upload_folder(self, **more: Any) -> None:
            if fails:
                raise OSError("no route")
            calls.append(("upload", more["repo_id"], sorted(path.name for path in more["folder_path"].iterdir())))

    return Hub


def config(**more: Any) -> Any:
    plain = {"push_to_hub": True, "hub_model_id": None, "hub_private_repo": True, "hub_revision": None}
    return SimpleNamespace(**plain | more)


def test_uploading_is_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_module, "HfApi", lambda: pytest.fail("went to the hub"))
    finish_card(run, config(push_to_hub=False))


def test_when_asked_the_adapter_goes_up_with_its_card(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(card_module, "HfApi", hub(calls))
    finish_card(run, config())
    create, upload = calls
    assert create == ("create", run.id, {"private": True, "exist_ok": True})
    assert upload[1] == f"me/{run.id}"
    assert upload[2] == ["README.md", "adapter_config.json", "adapter_model.safetensors", "ondo.json"]


def test_a_failed_upload_says_that_the_run_is_finished(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_module, "HfApi", hub([], fails=True))
    with pytest.raises(OSError, match="no route") as raised:
        finish_card(run, config(hub_model_id="me/mine"))
    assert "hf upload me/mine" in raised.value.__notes__[0]
    assert run.finished
