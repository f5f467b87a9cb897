"""The ready sweeps are what W&B takes, and every run they lead to is one that launch/dpo.py takes."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from dpo.faults import FAULTS
from dpo.train import TYPES, Settings
from models.recipe import RecipeParser

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "launch" / "sweeps").glob("*.yaml"))


def runs(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Every combination of a grid's values."""
    values = {name: part["values"] for name, part in sweep["parameters"].items()}
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


@pytest.fixture(scope="module")
def parser() -> RecipeParser:
    return RecipeParser(TYPES, "")


def settings(run: dict[str, Any], folder: Path, parser: RecipeParser) -> Settings:
    """What launch/dpo.py reads when W&B's agent starts it with the values of one run."""
    told = create_sweep_command_args({"args": {name: {"value": value} for name, value in run.items()}})
    file = folder / "config.json"
    file.write_text(told["args_json"][0], encoding="utf-8")
    return Settings(*parser.parse(["--config", str(file)]))


def test_there_are_two() -> None:
    assert [file.name for file in FILES] == ["beta-learning_rate.yaml", "loss-faults.yaml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_wandbs_own_schema_has_nothing_against_it(file: Path) -> None:
    from sweeps import schema_violations_from_proposed_config

    sweep = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert schema_violations_from_proposed_config(sweep) == []
    assert schema_violations_from_proposed_config({**sweep, "method": "guess"}) != []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_run_is_one_that_the_command_takes(file: Path, tmp_path: Path, parser: RecipeParser) -> None:
    sweep = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert sweep["command"] == ["${env}", "accelerate", "launch", "${program}", "--config", "${args_json_file}"]
    assert (ROOT / sweep["program"]).is_file()
    every = runs(sweep)
    assert len(every) == (27 if "beta" in sweep["parameters"] else 30)
    for run in every:
        config = settings(run, tmp_path, parser).config
        assert {name: getattr(config, name) for name in run} == run


def test_faults_and_metric_are_ones_that_exist() -> None:
    known = {fault.name for fault in FAULTS}
    for file in FILES:
        sweep = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert sweep["metric"] == {"name": "eval/validation/overall", "goal": "maximize"}
        named = [fault for faults in sweep["parameters"].get("faults", {}).get("values", []) for fault in faults or []]
        assert set(named) <= known
