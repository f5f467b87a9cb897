"""A grid of trainings: what its file says, which of its runs are there, and doing the others.

The state of a grid is a folder with the key of its file; its runs carry the folder's name as group. A run belongs to
the cell whose resolved recipe it was started with, so nothing has to be written down between two runs.
"""

import difflib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import dpo.train
import sft.train
from data.files import write_atomic
from eval.arms import Arm, text
from eval.card import write_card
from eval.compare import Comparison, compare
from eval.evaluate import EVALUATED, evaluate, plan
from eval.gather import from_directory
from eval.record import EvaluationError, file_name, load_evaluation, save_evaluation
from eval.track import track_evaluation
from models.adapter import load_adapter
from models.load import load_base, placed, run_spec
from models.recipe import RecipeError, RecipeParser, option, read_recipe, resolved
from models.runs import MANIFEST, UNFINISHED, Run, RunError, newest_run, open_run

STATE = "state.json"
SPLIT = "selection"
"""Grids choose, and no cell of ``test`` may be chosen by; see data/grid.py."""

_KEYS = ("stage", "recipe", "options", "factors", "seeds", "split", "limit")
_TYPES: dict[str, tuple[type, ...]] = {"sft": sft.train.TYPES, "dpo": dpo.train.TYPES}
Settings = sft.train.Settings | dpo.train.Settings


@dataclass(frozen=True)
class Cell:
    """One combination of the factors' values."""

    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """E.g. ``beta 0.1, learning_rate 0.0002``."""
        return ", ".join(f"{key} {text(value)}" for key, value in self.values.items()) or "as it is"


@dataclass(frozen=True)
class Grid:
    """What the file of a grid says.

    Attributes:
        file: where it stands.
        stage: ``sft`` or ``dpo``.
        recipe: the recipe all runs start from.
        options: recipe keys that go over it in every run.
        factors: recipe keys with the values to try; the first value of each makes the cell that others are compared
            against.
        seeds: every cell is trained with each.
        split: evaluated on.
        limit: its first so many readings; None for all.
    """

    file: Path
    stage: str
    recipe: Path
    options: Mapping[str, Any]
    factors: Mapping[str, Sequence[Any]]
    seeds: Sequence[int]
    split: str = SPLIT
    limit: int | None = None

    @property
    def cells(self) -> list[Cell]:
        """Every combination, the first values first."""
        return [Cell(dict(zip(self.factors, values, strict=True))) for values in product(*self.factors.values())]

    @property
    def key(self) -> str:
        """A hash of what is trained: a grid goes on only with the same file and recipe."""
        said = [self.stage, self.options, self.factors, self.seeds, read_recipe(self.recipe)]
        return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def arguments(self, cell: Cell, seed: int) -> list[str]:
        """The command line of one run, without its folder."""
        told = {**self.options, **cell.values, "seed": seed}
        return ["--config", str(self.recipe), *(part for key, value in told.items() for part in option(key, value))]


def read_grid(file: Path) -> Grid:
    """A grid from its file, every key and value checked.

    Raises:
        RecipeError: the file, a key or a value is of no use; names file and key.
    """
    told = read_recipe(file)
    for key in told:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected {', '.join(_KEYS)}"
            raise RecipeError(f"{file}: {key} is unknown; {hint}")
    if told.get("stage") not in _TYPES:
        raise RecipeError(f"{file}: stage: expected sft or dpo, got {told.get('stage')!r}")
    options, factors, seeds = told.get("options") or {}, told.get("factors") or {}, told.get("seeds", [0])
    if not isinstance(told.get("recipe"), str):
        raise RecipeError(f"{file}: recipe: expected the path of a recipe")
    if not isinstance(options, dict):
        raise RecipeError(f"{file}: options: expected lines of 'key: value'")
    if not isinstance(factors, dict) or not all(isinstance(values, list) and values for values in factors.values()):
        raise RecipeError(f"{file}: factors: expected lines of 'key: [value, value]'")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise RecipeError(f"{file}: seeds: expected a list of whole numbers")
    if len(set(seeds)) < len(seeds):
        raise RecipeError(f"{file}: seeds: one stands twice")
    split, limit = told.get("split", SPLIT), told.get("limit")
    if split not in EVALUATED:
        raise RecipeError(f"{file}: split: expected one of {', '.join(EVALUATED)}, got {split!r}")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise RecipeError(f"{file}: limit: expected a number of readings, got {limit!r}")
    recipe = next((path for path in (Path(told["recipe"]), file.parent / told["recipe"]) if path.is_file()), None)
    if recipe is None:
        raise RecipeError(f"{file}: recipe: there is no {told['recipe']}")
    grid = Grid(file, told["stage"], recipe, options, factors, seeds, split, limit)
    _check_options(grid)
    return grid


def _check_options(grid: Grid) -> None:
    parser = RecipeParser(_TYPES[grid.stage], "")
    for part, keys in (("options", grid.options), ("factors", grid.factors)):
        for key in keys:
            parser.check_key(key, f"{grid.file}: {part}: ")
            if key == "seed":
                raise RecipeError(f"{grid.file}: {part}: seed: list the seeds under seeds")
            if part == "factors" and key in grid.options:
                raise RecipeError(f"{grid.file}: factors: {key} stands among the options too")
    for key, values in grid.factors.items():
        said = [text(value) for value in values]
        if len(set(said)) < len(said):
            raise RecipeError(f"{grid.file}: factors: {key}: a value stands twice")
    for cell in grid.cells:
        try:
            parser.parse(grid.arguments(cell, grid.seeds[0]))
        except (ValueError, SystemExit) as error:
            why = "see above" if isinstance(error, SystemExit) else error
            raise RecipeError(f"{grid.file}: {cell.name} is not possible: {why}") from error


def open_folder(grid: Grid, runs_dir: Path, *, new: bool = False) -> "Folder":
    """The newest folder of this grid, or a new one, which is made when it runs.

    Raises:
        RunError: a state file is damaged, or stage 2 has no SFT run to go on from.
    """
    runs_dir = runs_dir.resolve()
    for path in sorted(runs_dir.glob(f"ablate-{grid.file.stem}-*/{STATE}"), reverse=True):
        if new:
            break
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if state["key"] == grid.key:
                return Folder(grid, runs_dir, path.parent, state["sft"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged ({error}): delete {path.parent}, or begin anew with --new") from error
    parent = None
    if grid.stage == "dpo":
        named = grid.options.get("sft") or read_recipe(grid.recipe).get("sft")
        run = newest_run("sft", runs_dir) if named is None and "sft" not in grid.factors else None
        parent = None if run is None else str(run.path)
    return Folder(grid, runs_dir, runs_dir / f"ablate-{grid.file.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}", parent)


@dataclass(frozen=True)
class Folder:
    """A grid at work; ``parent`` is the SFT run that its DPO runs go on from when its file names none."""

    grid: Grid
    runs_dir: Path
    path: Path
    parent: str | None

    def settings(self, cell: Cell, seed: int, *more: str) -> Settings:
        """What one run is started with."""
        where = ["--runs_dir", str(self.runs_dir), *([] if self.parent is None else ["--sft", self.parent])]
        parsed = RecipeParser(_TYPES[self.grid.stage], "").parse([*self.grid.arguments(cell, seed), *where, *more])
        return sft.train.Settings(*parsed) if self.grid.stage == "sft" else dpo.train.Settings(*parsed)

    def plan(self) -> list[tuple[Cell, int, Run | None]]:
        """Every run of the grid: its cell, its seed, and the run, finished or not, if there is one."""
        runs = list(self._runs())
        found = []
        for cell in self.grid.cells:
            for seed in self.grid.seeds:
                recipe = resolved(*self.settings(cell, seed).parts)
                alike = [run for run, told in runs if told == _without_places(recipe)]
                # a finished one first, then the newest
                found.append((cell, seed, max(alike, key=lambda run: (run.finished, run.id), default=None)))
        return found

    def evaluated(self, run: Run) -> bool:
        """Whether the run has the evaluation that the grid asks for.

        Raises:
            EvaluationError: it has one of other readings.
        """
        file = run.eval / file_name(self.grid.split)
        if not file.is_file():
            return False
        made = load_evaluation(file)
        wanted = made.split_size if self.grid.limit is None else min(self.grid.limit, made.split_size)
        if len(made.records) != wanted:
            raise EvaluationError(f"{file} holds {len(made.records)} readings, the grid asks for {wanted}: delete it")
        return True

    def do(self) -> Comparison:
        """Do what is missing, and compare.

        Raises:
            ValueError: recipes, data, runs or models that do not go together.
            OSError: a file cannot be read or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        state = {"key": self.grid.key, "file": str(self.grid.file), "sft": self.parent}
        write_atomic(self.path / STATE, json.dumps(state, indent=2) + "\n")
        planned = self.plan()
        began, done = time.monotonic(), 0
        for number, (cell, seed, run) in enumerate(planned, start=1):
            if run is None or not run.finished:
                _say(
                    f"[{number}/{len(planned)}] {cell.name}, seed {seed}{_left(began, done, len(planned) - number + 1)}"
                )
                resume = [] if run is None else ["--resume", str(run.path)]
                run = self._train(self.settings(cell, seed, *resume))
                done += 1
            if not self.evaluated(run):
                _say(f"[{number}/{len(planned)}] {run.id} on {self.grid.split}")
                self._evaluate(run)
        return self.compared()

    def compared(self) -> Comparison:
        """The finished runs of the grid side by side, an arm for each cell.

        Raises:
            RunError: a run is missing or unfinished.
        """
        arms: dict[str, list[Run]] = {}
        for cell, seed, run in self.plan():
            if run is None or not run.finished:
                raise RunError(f"{self.path}: {cell.name}, seed {seed} is not finished: run the grid again")
            arms.setdefault(cell.name, []).append(run)
        found = [Arm(name, tuple(map(from_directory, runs))) for name, runs in arms.items()]
        return compare(found, self.grid.split)

    def _runs(self) -> Iterator[tuple[Run, dict[str, Any]]]:
        for path in self.runs_dir.glob(f"{self.grid.stage}-*"):
            run = Run(path)
            if (path / MANIFEST).is_file() or (path / UNFINISHED).is_file():
                manifest = run.manifest
                if manifest.get("group") == self.path.name:
                    yield run, _without_places(manifest["recipe"])

    def _train(self, settings: Settings) -> Run:
        if isinstance(settings, sft.train.Settings):
            return sft.train.run_sft(settings, group=self.path.name)
        return dpo.train.run_dpo(settings, group=self.path.name)

    def _evaluate(self, run: Run) -> None:
        loaded = load_base(run_spec(open_run(run.path), run.manifest["recipe"].get("trust_remote_code", False)))
        planned = plan(loaded, self.grid.split, run=run, limit=self.grid.limit)
        model = placed(loaded, load_adapter(loaded, run.adapter))
        evaluation = evaluate(model, loaded.tokenizer, planned)
        path = save_evaluation(evaluation, run.eval)
        write_card(run)
        track_evaluation(evaluation, run, path, {})


def _without_places(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved recipe without the SFT run's path, which the group pins already unless it is a factor."""
    told = dict(recipe)
    if told.get("sft"):
        told["sft"] = Path(told["sft"]).name
    return told


def _left(began: float, done: int, to_do: int) -> str:
    """How long it may take still, from the runs done since ``began``; nothing before the first is."""
    if not done:
        return ""
    return f", about {(time.monotonic() - began) / done * to_do / 60:.0f} min left"


def _say(line: str) -> None:
    print(f"ondo: {line}", file=sys.stderr, flush=True)
