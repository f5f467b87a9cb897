"""Stage 2 from an SFT run to its manifest: reference, losses, resumption, what is saved, and what is refused."""

import json
import math
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

import dpo.config
import dpo.train
from data.splits import cells
from dpo.config import LOSSES
from dpo.load import load_pairs
from dpo.pairs import write_pairs
from dpo.train import build_trainer, dry_run, load_data, run_dpo
from dpo.trainer import PairTrainer, WrongReferenceError
from models.adapter import AdapterError
from models.load import load_base, run_spec
from models.recipe import RecipeParser, resolved
from models.runs import Run, RunError, file_hash
from tests.stage_cases import WEIGHTS, assert_same_weights, dpo_settings, losses, only_run_of

QUICK = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "generate_validation": False}
QUICK |= {"warmup_steps": 0}  # the first step of a warm-up has rate 0


class StopAt(TrainerCallback):
    """Ctrl-C after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def pair_file(sft_run, tmp_path_factory):
    """Pairs of the SFT run's own examples."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_pairs(path, dpo.train.pairs_of(dpo_settings(sft_run, path.parent).config, sft_run).pairs)
    return path


@pytest.fixture(scope="module")
def dpo_run(sft_run, tmp_path_factory):
    """A finished DPO run: six steps, evaluated and saved after the third and the sixth."""
    return run_dpo(dpo_settings(sft_run, tmp_path_factory.mktemp("runs"), learning_rate=1e-2))


def trained(sft_run, pair_file, folder, **options):
    """The trainer after a few steps from a recipe, without a run around it."""
    settings = dpo_settings(sft_run, folder, **{"pairs": pair_file, "max_steps": 2, **QUICK, **options})
    data = load_data(settings.config, sft_run)
    trainer = build_trainer(settings, data, sft_run, load_base(run_spec(sft_run)), Run(folder / "dpo-x"))
    trainer.train()
    return trainer


def steps(trainer):
    return [line for line in trainer.state.log_history if "loss" in line]


def test_a_finished_run_says_where_it_comes_from_and_on_what_it_was_trained(dpo_run, sft_run):
    manifest = dpo_run.manifest
    pairs = load_pairs(dpo_run.path / "pairs.jsonl")
    assert manifest["parent"] == sft_run.id
    assert manifest["base_model"] == "tiny-random"
    # three an example of the SFT run, and some of pool cells
    assert manifest["data"]["pairs"] == len(pairs) >= 60
    assert sum(manifest["data"]["by_fault"].values()) == len(pairs)
    assert manifest["data"]["sha256"] == file_hash(dpo_run.path / "pairs.jsonl")
    assert manifest["training"]["steps"] == 6
    report = json.loads((dpo_run.path / "pairs.jsonl.report.json").read_text())
    assert report["pairs"] + report["pool"]["pairs"] == len(pairs)
    assert {"all"} < set(report["cues"])


def test_the_runs_recipe_repeats_its_settings(dpo_run):
    again = RecipeParser(dpo.train.TYPES, "").parse(["--config", str(dpo_run.recipe_file)])
    assert resolved(*again) == dpo_run.manifest["recipe"]


def test_margins_accuracies_and_log_probs_are_logged_per_fault_in_training_and_evaluation(dpo_run):
    lines = json.loads((dpo_run.path / "history.json").read_text())
    train = [line for line in lines if "loss" in line]
    evaluated = [line for line in lines if "eval_loss" in line]
    assert (len(train), len(evaluated)) == (6, 2)
    for line, prefix in ((train[-1], ""), (evaluated[-1], "eval_")):
        measured = {key.split("/")[1] for key in line if key.startswith(f"{prefix}dpo/") and key.count("/") == 2}
        assert measured == {"margin", "accuracy", "chosen_logp"}
        assert f"{prefix}dpo/chosen_logp_shift" in line
    faults = {key.split("/")[2] for line in train for key in line if key.startswith("dpo/margin/")}
    assert faults <= set(dpo_run.manifest["data"]["by_fault"])
    assert len(faults) > 3
    assert train[-1]["rewards/margins"] > train[0]["rewards/margins"]


@pytest.mark.parametrize("packing", ["trie", "none"])
def test_the_first_step_has_loss_ln_2_and_no_margin(packing, sft_run, pair_file, tmp_path):
    trainer = trained(sft_run, pair_file, tmp_path, packing=packing, loss_type=["sigmoid"], learning_rate=1e-2)
    first, second = steps(trainer)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert first["dpo/chosen_logp_shift"] == pytest.approx(0, abs=1e-3)
    assert second["loss"] != pytest.approx(math.log(2), abs=1e-5)


def test_a_reference_that_is_the_base_model_is_refused(sft_run, pair_file, tmp_path, monkeypatch):
    """The classic mistake: the SFT adapter is in the policy and not in the reference."""
    pack = dpo.train.pack_trainer

    def with_base_as_reference(trainer, **options):
        with torch.no_grad():
            for name, value in trainer.model.named_parameters():
                if "lora_B.ref" in name:
                    assert value.abs().max() > 0
                    value.zero_()
        pack(trainer, **options)

    monkeypatch.setattr(dpo.train, "pack_trainer", with_base_as_reference)
    with pytest.raises(WrongReferenceError, match="the reference is not the SFT policy"):
        run_dpo(dpo_settings(sft_run, tmp_path, pairs=pair_file, **QUICK))
    assert not only_run_of("dpo", tmp_path).finished


@pytest.mark.parametrize("ld_alpha", [None, 0.5])
def test_our_log_ratios_are_trls_own(ld_alpha, sft_run, pair_file, tmp_path, monkeypatch):
    noted, note = [], PairTrainer._note

    def watch(self, faults, pairs, chosen_logps, chosen, rejected):
        noted.append([self.beta * side.mean().item() for side in (chosen, rejected)] + [chosen_logps.mean().item()])
        note(self, faults, pairs, chosen_logps, chosen, rejected)

    monkeypatch.setattr(PairTrainer, "_note", watch)
    options = {} if ld_alpha is None else {"ld_alpha": ld_alpha}
    trainer = trained(sft_run, pair_file, tmp_path, max_steps=3, learning_rate=1e-2, **options)
    assert len(noted) == 3
    for line, (chosen, rejected, logps) in zip(steps(trainer), noted, strict=True):
        assert chosen == pytest.approx(line["rewards/chosen"], abs=1e-4)
        assert rejected == pytest.approx(line["rewards/rejected"], abs=1e-4)
        assert chosen - rejected == pytest.approx(line["rewards/margins"], abs=1e-4)
        if ld_alpha is None:
            assert logps == pytest.approx(line["logps/chosen"], rel=1e-5)
    assert abs(steps(trainer)[-1]["rewards/margins"]) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_trl_trains_by_recipe(loss, sft_run, pair_file, tmp_path):
    extra = {"label_smoothing": 1e-3} if loss == "exo_pair" else {}
    trainer = trained(sft_run, pair_file, tmp_path, loss_type=[loss], learning_rate=1e-2, **extra)
    first, second = steps(trainer)
    assert math.isfinite(first["loss"])
    assert first["grad_norm"] > 0
    # aot compares sorted margins and bco a running mean: all of them still move with the weights
    assert second["loss"] != first["loss"]
    reference, policy = (
        torch.cat([value.flatten() for name, value in trainer.model.named_parameters() if f"lora_B.{adapter}" in name])
        for adapter in ("ref", "default")
    )
    assert (reference - policy).abs().max() > 1e-3


def test_losses_are_those_trl_offers(sft_run, pair_file, tmp_path, monkeypatch):
    monkeypatch.setattr(dpo.config, "LOSSES", (*LOSSES, "bogus"))
    with pytest.raises(ValueError, match="Unknown loss type: bogus") as error:
        trained(sft_run, pair_file, tmp_path, loss_type=["bogus"])
    assert tuple(re.findall(r"'(\w+)'", str(error.value))) == LOSSES


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loss_type": ["sigmoid", "sigmoi"]}, "loss_type: sigmoi is no loss; TRL has sigmoid, hinge"),
        ({"loss_type": ["exo_pair"]}, "label_smoothing: the loss exo_pair needs one above 0"),
        ({"loss_type": ["robust"], "label_smoothing": 0.6}, "label_smoothing: 0.6 does not go with the loss robust"),
        ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}, "loss_weights: expected 2, one for each of"),
    ],
)
def test_a_loss_without_the_setting_it_needs_is_told(options, told, sft_run, tmp_path):
    with pytest.raises(ValueError, match=re.escape(told)):
        dpo_settings(sft_run, tmp_path, **options)


def test_only_the_trained_adapter_is_saved_and_the_reference_has_not_moved(dpo_run, sft_run):
    saved, sft = load_file(dpo_run.adapter / WEIGHTS), load_file(sft_run.adapter / WEIGHTS)
    assert saved.keys() == sft.keys()
    assert any((value - sft[name]).abs().max() > 1e-3 for name, value in saved.items())
    assert {path.name for path in dpo_run.adapter.rglob("*") if path.is_dir()} == set()
    best = dpo_run.checkpoints / dpo_run.manifest["training"]["best_checkpoint"]
    assert_same_weights(dpo_run.adapter, best)
    for checkpoint in dpo_run.checkpoints.glob("checkpoint-*"):
        assert_same_weights(checkpoint / "ref", sft_run.adapter)


@pytest.mark.parametrize("packing", ["trie", "none"])
def test_killed_and_resumed_equals_uninterrupted(packing, sft_run, pair_file, tmp_path):
    options = {"pairs": pair_file, "packing": packing, "max_steps": 5, "save_steps": 2, "eval_steps": 2}
    options |= {"learning_rate": 1e-2, "generate_validation": packing == "trie"}
    whole = run_dpo(dpo_settings(sft_run, tmp_path / "whole", **options))
    with pytest.raises(KeyboardInterrupt):
        run_dpo(dpo_settings(sft_run, tmp_path / "cut", **options), [StopAt(3)])
    run = only_run_of("dpo", tmp_path / "cut")
    run_dpo(dpo_settings(sft_run, tmp_path / "cut", resume=run.path, **options))
    assert run.manifest["training"]["resumed_from"] == "checkpoint-2"
    assert losses(run) == losses(whole)
    assert len(losses(run)) == 8
    assert_same_weights(run.adapter, whole.adapter)


def test_resuming_on_other_pairs_is_refused(sft_run, pair_file, tmp_path):
    own = tmp_path / "pairs.jsonl"
    shutil.copy(pair_file, own)
    with pytest.raises(KeyboardInterrupt):
        run_dpo(dpo_settings(sft_run, tmp_path, pairs=own, **QUICK), [StopAt(1)])
    own.write_text("".join(own.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    with pytest.raises(RunError, match="was started with other data than there is now"):
        run_dpo(dpo_settings(sft_run, tmp_path, pairs=own, resume=only_run_of("dpo", tmp_path).path, **QUICK))


def test_the_displacement_warning_comes_once_and_lands_in_the_manifest(sft_run, pair_file, tmp_path, capsys):
    # a gradient that goes the wrong way: every step makes the chosen notices less probable
    options = {"loss_type": ["sft"], "loss_weights": [-1.0], "learning_rate": 1e-2, "chosen_logp_limit": 1.0}
    run = run_dpo(dpo_settings(sft_run, tmp_path, pairs=pair_file, **QUICK, **options))
    printed = capsys.readouterr().err
    assert printed.count("ondo: warning: at step") == 1
    found = run.manifest["displacement"]
    assert found["shift"] < -1
    shifts = {
        line["step"]: line["dpo/chosen_logp_shift"]
        for line in json.loads((run.path / "history.json").read_text())
        if "dpo/chosen_logp_shift" in line
    }
    assert sum(shift < -1 for shift in shifts.values()) > 1
    assert found["step"] == min(step for step, shift in shifts.items() if shift < -1)


def test_without_displacement_the_manifest_says_so(dpo_run):
    assert dpo_run.manifest["displacement"] is None


def test_an_sft_file_that_changed_since_is_refused(sft_run, tmp_path):
    run = copied(sft_run, tmp_path)
    manifest = json.loads((run.path / "manifest.json").read_text())
    own = tmp_path / "chats.jsonl"
    shutil.copy(manifest["data"]["train"]["file"], own)
    manifest["data"]["train"]["file"] = str(own)
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    load_data(dpo_settings(run, tmp_path).config, run)
    own.write_bytes(own.read_bytes() + b"\n")
    with pytest.raises(ValueError, match=rf"{own} has changed since the SFT run"):
        run_dpo(dpo_settings(run, tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_an_adapter_of_another_base_model_is_refused_and_leaves_no_run(sft_run, pair_file, tmp_path):
    run = copied(sft_run, tmp_path)
    identity = json.loads((run.adapter / "ondo.json").read_text())
    (run.adapter / "ondo.json").write_text(json.dumps(identity | {"weights_hash": "0" * 64}))
    with pytest.raises(AdapterError, match="load that base model"):
        run_dpo(dpo_settings(run, tmp_path / "runs", pairs=pair_file))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_parent_that_is_no_finished_sft_run_is_refused(dpo_run, sft_run, tmp_path):
    with pytest.raises(RunError, match="is a dpo run; DPO goes on from an SFT run"):
        run_dpo(dpo_settings(dpo_run, tmp_path))
    run = copied(sft_run, tmp_path)
    (run.path / "manifest.json").rename(run.path / "unfinished.json")
    with pytest.raises(RunError, match="is unfinished; go on with it"):
        run_dpo(dpo_settings(run, tmp_path))


def test_no_reading_that_is_trained_on_or_watched_is_a_test_cell(dpo_run, sft_run):
    held = set(cells("test"))
    data = load_data(dpo_settings(sft_run, dpo_run.path, pool=20).config, sft_run)
    assert data.train
    assert data.validation
    assert not {pair.reading for pair in (*data.train, *data.validation)} & held


def test_pairs_of_a_file_that_are_validated_on_are_refused(sft_run, pair_file, tmp_path):
    settings = dpo_settings(sft_run, tmp_path).config
    data = load_data(settings, sft_run)
    path = tmp_path / "both.jsonl"
    write_pairs(path, [*data.train[:2], data.validation[0]])
    reading = data.validation[0].reading
    with pytest.raises(ValueError, match=rf"{reading.yesterday} -> {reading.today} stands in .* validation must not"):
        load_data(dpo_settings(sft_run, tmp_path, pairs=path).config, sft_run)


def test_a_dry_run_counts_and_writes_nothing(sft_run, pair_file, tmp_path, capsys):
    dry_run(dpo_settings(sft_run, tmp_path / "runs", pairs=pair_file, loss_weights=[1.0, 0.5]))
    printed = capsys.readouterr().out
    assert f"{len(load_pairs(pair_file))} from {pair_file}" in printed
    assert "1 x sigmoid, 0.5 x sft; beta 0.1, learning rate " in printed
    assert not (tmp_path / "runs").exists()


def copied(run, folder):
    target = folder / "copies" / run.id
    shutil.copytree(run.path, target)
    return Run(target)
