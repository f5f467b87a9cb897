"""``launch/sft.py`` as a user starts it: bad input is one clear message and exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.recipe import RecipeParser
from sft.train import TYPES

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "launch" / "recipes" / "tiny-random" / "sft.yaml"


def run(*arguments, folder):
    command = [sys.executable, str(ROOT / "launch" / "sft.py"), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def assert_told(done, message):
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_recipe_key_is_told(tmp_path):
    recipe = tmp_path / "own.yaml"
    recipe.write_text("lerning_rate: 1\n")
    done = run("--config", recipe, folder=tmp_path)
    assert_told(done, f"sft: {recipe}: lerning_rate is unknown; did you mean learning_rate?")
    assert sorted(tmp_path.iterdir()) == [recipe]


def test_bad_rows_of_an_own_file_are_told_and_nothing_is_made(tmp_path, chat_files):
    own = tmp_path / "own.jsonl"
    own.write_bytes(b"{\n" + chat_files[0].read_bytes())
    done = run("--config", RECIPE, "--train_file", own, folder=tmp_path)
    assert_told(done, f"{own}:1: form: not JSON")
    assert sorted(tmp_path.iterdir()) == [own]


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_every_command_of_the_help_parses(stage):
    """The examples in the docstring, but for those that name a run."""
    import dpo.train

    types = {"sft": TYPES, "dpo": dpo.train.TYPES}[stage]
    text = (ROOT / "launch" / f"{stage}.py").read_text(encoding="utf-8")
    lines = [line.split("#")[0].split(f"launch/{stage}.py")[1] for line in text.splitlines() if line.startswith("    ")
             and f"launch/{stage}.py" in line and "--resume" not in line and "python -m" not in line]  # fmt: skip
    assert len(lines) >= 3
    for line in lines:
        RecipeParser(types, "").parse([str(ROOT / part) if part.endswith(".yaml") else part for part in line.split()])
