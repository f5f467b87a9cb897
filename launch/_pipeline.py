"""The quickstart's steps, and the state by which an interrupted one goes on.

A step is done when its result is written down in ``state.json``; results are run directories and files that are whole
or not there. A training that was cut off is found by the quickstart's name, which its manifest carries as group.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers import TrainerCallback

import dpo.train
import sft.train
from data.build import broken_notices, built_files, different_files
from data.files import write_atomic
from data.source import SOURCE, read_source
from dpo.pair_files import report_path, write_pair_files
from eval.card import write_card
from eval.evaluate import base_run, evaluate, plan
from eval.plots import heat_map
from eval.record import Evaluation, load_evaluation, save_evaluation
from eval.report import Report, ReportStage, write_report
from eval.track import track_evaluation
from launch._track import track_data, track_pairs, track_report
from models.adapter import load_adapter
from models.load import load_base
from models.progress import short_line
from models.recipe import RecipeParser
from models.runs import UNFINISHED, Run, RunError, open_run
from models.stage import HISTORY
from models.tracking.lineage import Lineage
from models.tracking.mode import check_mode

STATE, REPORT = "state.json", "report.html"
SPLIT = "test-mini"
NEEDED_GIB = 3.0
"""Free disk space asked for at the start: the unpacked model and the checkpoints of both stages."""


@dataclass(frozen=True)
class Plan:
    """What a quickstart does.

    Attributes:
        recipes: folder with ``sft.yaml`` and ``dpo.yaml``.
        limit: evaluate on the first so many readings; None for all.
        remarks: what the report must say about this plan.
    """

    recipes: Path
    limit: int | None
    remarks: tuple[str, ...]

    def key(self) -> str:
        """A hash of the plan and its recipes: an interrupted quickstart goes on only with the same one."""
        texts = [path.read_text(encoding="utf-8") for path in sorted(self.recipes.glob("*.yaml"))]
        return sha256(json.dumps([str(self.limit), *texts]).encode()).hexdigest()


def open_pipeline(plan: Plan, runs_dir: Path, *, new: bool, root: Path) -> "Pipeline":
    """The interrupted quickstart of this plan, or a new one, whose folder is made when it runs.

    Raises:
        OSError: a recipe cannot be read.
        RunError: a state file is damaged.
    """
    plan = Plan(root / plan.recipes, plan.limit, plan.remarks)
    runs_dir = runs_dir.resolve()
    for folder in sorted(runs_dir.glob("quickstart-*"), reverse=True):
        path = folder / STATE
        if new or not path.is_file():
            continue
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            unfinished = not state["finished"] and state["key"] == plan.key()
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged ({error}): delete {folder}, or begin anew with --new") from error
        if unfinished:
            return Pipeline(plan, runs_dir, folder, state)
    folder = runs_dir / f"quickstart-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return Pipeline(plan, runs_dir, folder, {"key": plan.key(), "finished": False, "done": {}})


@dataclass
class Pipeline:
    """One quickstart: its plan, its folder, and the results of the steps that are done."""

    plan: Plan
    runs_dir: Path
    folder: Path
    state: dict[str, Any]
    console: Console = field(default_factory=lambda: Console(stderr=True))

    @property
    def steps(self) -> dict[str, tuple[str, Callable[["Bars"], str]]]:
        """Name, title and work of each step, in order; the work gives a path that is kept in the state."""
        return {
            "data": ("check the written examples", self._check_data),
            "base": ("evaluate the base model", self._evaluate_base),
            "sft": ("SFT", self._sft),
            "sft_eval": ("evaluate after SFT", lambda bars: self._evaluate("sft", bars)),
            "pairs": ("make and verify the pairs", self._pairs),
            "dpo": ("DPO, the reference's log-probs first", self._dpo),
            "dpo_eval": ("evaluate after DPO", lambda bars: self._evaluate("dpo", bars)),
            "report": ("write the report", self._report),
        }

    def describe(self) -> None:
        """Print the steps and which of them are done."""
        done = self.state["done"]
        print(f"folder: {self.folder}{' (goes on)' if done else ''}")
        for name, (title, _) in self.steps.items():
            print(f"  {'done' if name in done else 'to do':5}  {title}{' -> ' + done[name] if name in done else ''}")
        print(f"recipes: {self.plan.recipes}")

    def run(self) -> Path:
        """Do what is not done yet; returns the report.

        Raises:
            ValueError: data, recipes, models or runs that do not go together.
            OSError: a file cannot be read or written, e.g. the disk is full.
        """
        check_mode(os.environ)
        self.runs_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.runs_dir).free / 2**30
        if free < NEEDED_GIB:
            raise OSError(f"{self.runs_dir}: {free:.1f} GiB are free, {NEEDED_GIB:g} are needed; nothing was begun")
        self.folder.mkdir(exist_ok=True)
        self._save()
        if self.state["done"]:
            self.console.print(f"Going on with {self.folder}.")
        steps = self.steps
        with Bars(self.console, len(steps)) as bars:
            for number, (name, (title, work)) in enumerate(steps.items(), start=1):
                bars.begin(number, title)
                if name not in self.state["done"]:
                    self.state["done"][name] = work(bars)
                    self.state["finished"] = name == "report"
                    self._save()
        report = self.folder / REPORT
        self.console.print(f"Report: {report}")
        return report

    def _save(self) -> None:
        write_atomic(self.folder / STATE, json.dumps(self.state, indent=2) + "\n")

    def _check_data(self, bars: "Bars") -> str:
        notices = read_source(SOURCE)
        broken = [f"{SOURCE}:{line}" for line in broken_notices(notices)]
        broken += [f"{path} is not what {SOURCE} gives" for path in different_files(built_files(notices))]
        if broken:
            raise ValueError("\n".join([*broken, "python launch/prepare_data.py builds the files anew"]))
        self._remember(track_data(self.folder.name))
        return str(SOURCE)

    def _evaluate_base(self, bars: "Bars") -> str:
        loaded = load_base(self._sft_settings().model.spec())
        run = base_run(loaded, self.runs_dir, group=self.folder.name)
        self._write_notices(loaded, loaded.model, run, bars)
        return str(run.path)

    def _sft(self, bars: "Bars") -> str:
        settings = self._sft_settings()
        settings.config.disable_tqdm = True
        return str(sft.train.run_sft(settings, [StepBar(bars)], self.folder.name).path)

    def _pairs(self, bars: "Bars") -> str:
        path = self.folder / dpo.train.PAIRS
        config, parent = self._dpo_settings().config, open_run(self.state["done"]["sft"])
        made = dpo.train.pairs_of(config, parent)
        write_pair_files(path, made.pairs, made.description)
        self._remember(track_pairs(self.folder.name, path, made, parent))
        return str(path)

    def _dpo(self, bars: "Bars") -> str:
        settings = self._dpo_settings("--pairs", self.state["done"]["pairs"])
        settings.config.disable_tqdm = True
        return str(dpo.train.run_dpo(settings, [StepBar(bars)], self.folder.name).path)

    def _evaluate(self, stage: str, bars: "Bars") -> str:
        run = open_run(self.state["done"][stage])
        loaded = load_base(self._sft_settings().model.spec())
        self._write_notices(loaded, load_adapter(loaded, run.adapter), run, bars)
        return str(run.path)

    def _write_notices(self, loaded: Any, model: Any, run: Run, bars: "Bars") -> None:
        planned = plan(loaded, SPLIT, run=run, limit=self.plan.limit)
        evaluation = evaluate(model, loaded.tokenizer, planned, bars.progress)
        path = save_evaluation(evaluation, run.eval)
        picture = path.with_name(f"{path.stem}-map.png")
        heat_map(evaluation, picture)
        if run.stage != "base":
            write_card(run)
        track_evaluation(evaluation, run, path, {"map": picture})

    def _report(self, bars: "Bars") -> str:
        path = self.folder / REPORT
        stages = [self._stage(name) for name in ("base", "sft", "dpo")]
        pairs = json.loads(report_path(Path(self.state["done"]["pairs"])).read_text(encoding="utf-8"))
        write_report(path, Report(stages, pairs, self.plan.remarks))
        self._remember(track_report(self.folder.name, path, stages))
        return str(path)

    def _remember(self, tracked: tuple[str, Lineage]) -> None:
        """Keep the lineage of a step that has no run directory in the state."""
        self.state.setdefault("lineage", {}).update([tracked])

    def _stage(self, name: str) -> ReportStage:
        run = open_run(self.state["done"][name])
        evaluation: Evaluation = load_evaluation(run.eval / f"{SPLIT}.json")
        history = run.path / HISTORY
        log = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
        return ReportStage({"base": "base", "sft": "SFT", "dpo": "DPO"}[name], evaluation, run, log)

    def _sft_settings(self) -> sft.train.Settings:
        arguments = ["--config", str(self.plan.recipes / "sft.yaml"), *self._run_arguments("sft")]
        return sft.train.Settings(*RecipeParser(sft.train.TYPES, "").parse(arguments))

    def _dpo_settings(self, *more: str) -> dpo.train.Settings:
        arguments = ["--config", str(self.plan.recipes / "dpo.yaml"), *self._run_arguments("dpo")]
        return dpo.train.Settings(
            *RecipeParser(dpo.train.TYPES, "").parse([*arguments, "--sft", self.state["done"]["sft"], *more])
        )

    def _run_arguments(self, stage: str) -> list[str]:
        arguments = ["--runs_dir", str(self.runs_dir)]
        for path in sorted(self.runs_dir.glob(f"{stage}-*/{UNFINISHED}"), reverse=True):
            if Run(path.parent).manifest.get("group") == self.folder.name:
                return [*arguments, "--resume", str(path.parent)]
        return arguments


class Bars:
    """Two progress bars: the quickstart's steps by name, and what the present step is doing."""

    def __init__(self, console: Console, steps: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", table_column=None),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._all = self._bars.add_task("quickstart", total=steps)
        self._one = self._bars.add_task("", total=None)
        self._steps = steps

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._bars.update(self._all, completed=self._steps)
        self._bars.stop()

    def begin(self, number: int, title: str) -> None:
        """Name the step that begins."""
        self._bars.update(self._all, completed=number - 1, description=f"quickstart {number}/{self._steps}: {title}")
        self._bars.remove_task(self._one)  # a task that is reset keeps its total
        self._one = self._bars.add_task(title, total=None)
        if not self._bars.console.is_terminal:
            print(f"[{number}/{self._steps}] {title}", file=sys.stderr, flush=True)

    def progress(self, done: int, total: int) -> None:
        """Move the lower bar."""
        self._bars.update(self._one, completed=done, total=total)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(line, highlight=False)


class StepBar(TrainerCallback):
    """Shows a training on the quickstart's lower bar."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        self._bars.progress(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Say the followed metrics."""
        line = short_line(logs or {})
        if line:
            self._bars.say(line)
