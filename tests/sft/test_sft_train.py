"""Stage 1 from first line to manifest: what is trained, what ends in ``adapter/``, how an interrupted run goes on."""

import json
import re

import pytest
import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import TrainerCallback

from models.adapter import AdapterError, load_adapter
from models.load import ModelSpec, load_base, run_spec
from models.recipe import RecipeParser, resolved
from models.runs import Run, RunError, file_hash, newest_run, open_run
from sft.train import TYPES, build_trainer, load_data, run_sft
from tests.stage_cases import WEIGHTS, assert_same_weights, losses, only_run_of, sft_settings


class StopAt(TrainerCallback):
    """Ctrl-C after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KeyboardInterrupt


class Verdicts(TrainerCallback):
    """Gives each evaluation the score of a list; stands before the checkpoint is chosen."""

    def __init__(self, scores):
        self.scores = iter(scores)

    def on_evaluate(self, args, state, control, metrics, **_):
        metrics["eval_selection"] = next(self.scores)


def test_a_finished_run_says_what_was_done_with_what(sft_run, chat_files):
    manifest = open_run(sft_run.path).manifest
    assert manifest["base_model"] == "tiny-random"
    assert manifest["data"]["train"] == {"file": str(chat_files[0]), "sha256": file_hash(chat_files[0])}
    assert manifest["data"]["examples"] == 20
    assert manifest["training"]["steps"] == 6
    assert manifest["training"]["best_checkpoint"] in ("checkpoint-3", "checkpoint-6")
    assert manifest["recipe"]["lora_r"] == 32
    assert manifest["wandb"]["mode"] == "disabled"
    loaded = load_base(run_spec(sft_run))
    assert manifest["weights_hash"] == loaded.weights_hash
    assert {key for _, key, _ in losses(sft_run)} == {"loss", "eval_loss"}
    assert isinstance(load_adapter(loaded, sft_run.adapter), PeftModel)


def test_the_runs_recipe_repeats_its_settings(sft_run):
    again = RecipeParser(TYPES, "").parse(["--config", str(sft_run.recipe_file)])
    recorded = sft_run.manifest["recipe"]
    assert {key: value for key, value in resolved(*again).items() if recorded[key] != value} == {}


def test_adapters_are_float32_of_rank_r_on_every_linear_layer_but_the_head(chat_files, tmp_path):
    settings = sft_settings(chat_files, tmp_path, dtype="bfloat16", lora_r=8, lora_alpha=16)
    loaded = load_base(settings.model.spec())
    trainer = build_trainer(settings, load_data(settings.config), loaded, Run(tmp_path / "sft-x"))
    trained = {name: value for name, value in trainer.model.named_parameters() if value.requires_grad}
    frozen = [value for value in trainer.model.parameters() if not value.requires_grad]
    assert {value.dtype for value in trained.values()} == {torch.float32}
    assert {value.dtype for value in frozen} == {torch.bfloat16}
    assert {min(value.shape) for value in trained.values()} == {8}
    layers = {re.search(r"(\w+)\.lora_A", name)[1] for name in trained if "lora_A" in name}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    # 3 layers of 7 projections, A and B each
    assert len(trained) == 42


def test_the_trainer_sees_every_example_with_its_answer_labelled(chat_files, tmp_path):
    settings = sft_settings(chat_files, tmp_path)
    data = load_data(settings.config)
    loaded = load_base(settings.model.spec())
    trainer = build_trainer(settings, data, loaded, Run(tmp_path / "sft-x"))
    told = [loaded.tokenizer.decode([t for t in row if t != -100]) for row in trainer.train_dataset["labels"]]
    assert told == [f"{example.notice}<end_of_turn>" for example in data.train.examples]


def test_a_row_longer_than_max_length_is_an_error_and_leaves_no_run(chat_files, tmp_path):
    with pytest.raises(ValueError, match="max_length is 50; nothing is cut"):
        run_sft(sft_settings(chat_files, tmp_path, max_length=50))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("scores", "best"), [((2.4, 1.6), 3), ((1.4, 1.6), 6)])
def test_the_best_checkpoint_is_what_ends_in_the_adapter(scores, best, chat_files, tmp_path):
    run = run_sft(
        sft_settings(chat_files, tmp_path, generate_validation=False, metric_for_best_model="selection",
                     greater_is_better=True, learning_rate=1e-2),
        [Verdicts(scores)],
    )  # fmt: skip
    assert run.manifest["training"]["best_checkpoint"] == f"checkpoint-{best}"
    assert run.manifest["training"]["best_metric"] == max(scores)
    assert_same_weights(run.adapter, run.checkpoints / f"checkpoint-{best}")
    other = load_file(run.checkpoints / f"checkpoint-{9 - best}" / WEIGHTS)
    saved = load_file(run.adapter / WEIGHTS)
    assert any(not torch.equal(value, other[name]) for name, value in saved.items())
    assert {value.dtype for value in saved.values()} == {torch.float32}
    assert {name for name in saved if "lora" not in name} == set()


def test_the_choice_is_by_notices_passed_then_by_loss(sft_run):
    history = json.loads((sft_run.path / "history.json").read_text())
    scores = {line["step"]: line["eval_selection"] for line in history if "eval_selection" in line}
    rates = {line["step"]: line["eval_pass_rate"] for line in history if "eval_pass_rate" in line}
    loss = {line["step"]: line["eval_loss"] for line in history if "eval_loss" in line}
    assert scores.keys() == rates.keys() == loss.keys() == {3, 6}
    # a random model passes nothing: the loss decides
    assert set(rates.values()) == {0}
    best = min(loss, key=loss.__getitem__)
    assert max(scores, key=scores.__getitem__) == best
    assert sft_run.manifest["training"]["best_checkpoint"] == f"checkpoint-{best}"


@pytest.mark.parametrize("packing", ["trie", "none"])
def test_killed_and_resumed_equals_uninterrupted(packing, chat_files, tmp_path):
    options = {"packing": packing, "max_steps": 5, "save_steps": 2, "eval_steps": 2, "learning_rate": 1e-2}
    options |= {"generate_validation": packing == "trie"}
    whole = run_sft(sft_settings(chat_files, tmp_path / "whole", **options))
    with pytest.raises(KeyboardInterrupt) as stopped:
        run_sft(sft_settings(chat_files, tmp_path / "cut", **options), [StopAt(3)])
    run = only_run_of("sft", tmp_path / "cut")
    assert stopped.value.__notes__ == [f"the run is unfinished; go on with: launch/sft.py --resume {run.path}"]
    assert not run.finished
    with pytest.raises(RunError, match=re.escape(str(run.path))):
        newest_run("sft", tmp_path / "cut")
    resumed = run_sft(sft_settings(chat_files, tmp_path / "cut", resume=run.path, **options))
    assert resumed == run
    assert run.finished
    assert run.manifest["training"]["resumed_from"] == "checkpoint-2"
    assert losses(run) == losses(whole)
    # five steps, evaluated after 2, 4 and the last
    assert len(losses(run)) == 8
    assert_same_weights(run.adapter, whole.adapter)


def test_a_run_cut_before_its_first_checkpoint_begins_anew(chat_files, tmp_path, sft_run):
    with pytest.raises(KeyboardInterrupt):
        run_sft(sft_settings(chat_files, tmp_path), [StopAt(1)])
    run = run_sft(sft_settings(chat_files, tmp_path, resume=only_run_of("sft", tmp_path).path))
    assert run.manifest["training"]["resumed_from"] is None
    assert losses(run) == losses(sft_run)


def test_resuming_with_another_recipe_is_refused_and_names_the_keys(chat_files, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_sft(sft_settings(chat_files, tmp_path), [StopAt(1)])
    run = only_run_of("sft", tmp_path)
    with pytest.raises(RunError) as error:
        run_sft(sft_settings(chat_files, tmp_path, resume=run.path, learning_rate=0.5, lora_r=4))
    assert re.search(r"learning_rate \([\d.e-]+, now 0.5\)", str(error.value))
    assert "lora_r (32, now 4)" in str(error.value)
    assert str(run.recipe_file) in str(error.value)
    assert "seed" not in str(error.value)


def test_resuming_on_other_data_is_refused(chat_files, tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_bytes(chat_files[0].read_bytes())
    with pytest.raises(KeyboardInterrupt):
        run_sft(sft_settings((own, chat_files[1]), tmp_path), [StopAt(1)])
    own.write_bytes(own.read_bytes() + b"\n")
    with pytest.raises(RunError, match="was started with other data than there is now"):
        run_sft(sft_settings((own, chat_files[1]), tmp_path, resume=only_run_of("sft", tmp_path).path))


def _enospc(*_, **__):
    raise OSError(28, "No space left on device")


def _full_safetensors(*_, **__):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def _full_torch(*_, **__):
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")


@pytest.mark.parametrize(
    ("where", "failure", "error", "told"),
    [
        ("peft.peft_model.safe_save_file", _full_safetensors, SafetensorError, "No space left on device"),
        ("transformers.trainer.torch.save", _full_torch, OSError, "checkpoints cannot be written; is the disk full"),
        ("models.adapter.write_atomic", _enospc, OSError, "No space left on device"),
        ("models.stage.write_atomic", _enospc, OSError, "No space left on device"),
    ],
)
def test_a_full_disk_leaves_an_unfinished_run_that_can_be_resumed(
    where, failure, error, told, chat_files, tmp_path, monkeypatch, sft_run
):
    with monkeypatch.context() as patch:
        patch.setattr(where, failure)
        with pytest.raises(error, match=told) as raised:
            run_sft(sft_settings(chat_files, tmp_path))
    run = only_run_of("sft", tmp_path)
    assert raised.value.__notes__[-1].endswith(f"--resume {run.path}")
    assert not run.finished
    resumed = run_sft(sft_settings(chat_files, tmp_path, resume=run.path))
    assert resumed.finished
    assert losses(resumed) == losses(sft_run)
    assert_same_weights(resumed.adapter, sft_run.adapter)


def test_an_adapter_of_another_base_model_is_refused(sft_run, tmp_path):
    loaded = load_base(ModelSpec("tiny-random", dtype="float32"))
    with torch.no_grad():
        next(loaded.model.parameters()).add_(1)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    other = load_base(ModelSpec(str(tmp_path), dtype="float32"))
    with pytest.raises(AdapterError, match=r"was trained on 'tiny-random' .* load that base model"):
        load_adapter(other, sft_run.adapter)


def test_a_bogus_wandb_mode_is_told_before_anything_is_made(chat_files, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(ValueError, match="WANDB_MODE is 'sometimes'"):
        run_sft(sft_settings(chat_files, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_secrets_and_offline_files(chat_files, tmp_path, monkeypatch):
    """Tracked offline: the manifest says where the files lie, W&B holds our settings, and a token is nowhere."""
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    settings = sft_settings(chat_files, tmp_path / "runs", max_steps=1, eval_strategy="no", save_strategy="no",
                            load_best_model_at_end=False)  # fmt: skip
    settings.config.hub_token = "hf_secret"
    seen = {}

    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            seen.update(wandb.run.config)

    run = run_sft(settings, [Look()])
    wandb.teardown()
    assert seen["ondo"]["recipe"]["learning_rate"] == settings.config.learning_rate
    assert seen["ondo"]["data"]["examples"] == 20
    assert "command" not in seen["ondo"]
    told = run.manifest["wandb"]
    assert told["mode"] == "offline"
    (data,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert told["folder"] == str(data.parent)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "training_args.bin":
            assert b"hf_secret" not in path.read_bytes(), path
