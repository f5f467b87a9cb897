"""Both stages on ``tiny-random`` and a few examples, set up as their commands would."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import dpo.train
import sft.train
from models.recipe import RecipeParser
from models.runs import Run

WEIGHTS = "adapter_model.safetensors"

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "launch" / "recipes" / "tiny-random"


def _parse(stage, types, options):
    arguments = [part for key, value in options.items() for part in _option(key, value)]
    return RecipeParser(types, "").parse(["--config", str(RECIPES / f"{stage}.yaml"), *arguments])


def _option(key, value):
    return [f"--{key}", *map(str, value)] if isinstance(value, list) else [f"--{key}={value}"]


def sft_settings(files, runs, **options):
    """The recipe of ``tiny-random`` on two chat files; options go over it."""
    train, validation = files
    where = {"train_file": train, "validation_file": validation, "runs_dir": runs}
    return sft.train.Settings(*_parse("sft", sft.train.TYPES, {**where, "disable_tqdm": True, **options}))


def dpo_settings(parent, runs, **options):
    """The recipe of ``tiny-random`` from an SFT run; options go over it."""
    where = {"sft": parent.path, "runs_dir": runs, "disable_tqdm": True}
    return dpo.train.Settings(*_parse("dpo", dpo.train.TYPES, {**where, **options}))


def losses(run):
    """Step, loss and validation loss as they stand in a run's history."""
    history = json.loads((run.path / "history.json").read_text())
    return [(line["step"], key, line[key]) for line in history for key in ("loss", "eval_loss") if key in line]


def only_run_of(stage, folder):
    """The one run of a stage in a folder, finished or not."""
    (path,) = folder.glob(f"{stage}-*")
    return Run(path)


def assert_same_weights(first, second):
    """Two adapter folders hold the same tensors, bit by bit."""
    ours, theirs = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0)
