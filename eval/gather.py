"""A run as a comparison reads it: from its directory, or from W&B's offline files where the directory is gone.

The offline files hold the configuration, the curves and the table of notices (docs/tracking.md), so an evaluation can
be put together again: the notices are judged anew by the rubric that stands beside them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from data.reading import Reading
from eval.evaluate import EVALUATED
from eval.record import Evaluation, EvaluationError, Generation, JudgedNotice, Record, file_name, load_evaluation
from models.runs import Run, RunError, open_run
from models.stage import HISTORY
from models.tracking.run import CONFIG_KEY
from models.wandb_files import OfflineRun, find_offline, last_per_step
from rewards.judge import judge_batch
from rewards.rubric import Rubric

ORDER = ("test", "test-mini", "selection", "validation", "guide")
"""Splits as a comparison prefers them: the most readings first, and cells that nothing was chosen by."""
assert set(ORDER) == set(EVALUATED)

NOTICES = "tables/notices"
"""The W&B table with a row for each notice; see docs/tracking.md."""


@dataclass(frozen=True)
class Gathered:
    """One run and what there is of it.

    Attributes:
        id: of the run.
        manifest: as :mod:`models.runs` describes it; what W&B's configuration holds of it for a run read from there.
        evaluations: by split, greedy ones.
        log: the trainer's ``log_history``; empty when nothing was trained.
        parents: manifests of the runs it goes on from, the nearest first, as far as their directories are there.
        source: where it was read: a directory, or W&B's files.
    """

    id: str
    manifest: Mapping[str, Any]
    evaluations: Mapping[str, Evaluation]
    log: Sequence[Mapping[str, Any]] = ()
    parents: tuple[Mapping[str, Any], ...] = ()
    source: str = field(default="directory", compare=False)

    @property
    def stage(self) -> str:
        """``base``, ``sft`` or ``dpo``."""
        return str(self.manifest.get("stage") or self.id.split("-", 1)[0])


def gather(name: str, runs_dir: Path, wandb_dir: Path) -> Gathered:
    """One run by its directory or its id.

    Args:
        name: a directory, or the id of a run in ``runs_dir`` or, without a directory, in W&B's offline files.
        runs_dir: folder of all runs.
        wandb_dir: folder that W&B's offline runs lie in.

    Raises:
        RunError: there is no such run, it is unfinished, or its manifest is damaged.
        EvaluationError: a file of an evaluation is damaged.
        models.wandb_files.WandbFileError: an offline file is damaged.
    """
    for path in (Path(name), runs_dir / name):
        if path.is_dir():
            return from_directory(open_run(path))
    told = Path(name).name
    found = from_offline(find_offline(wandb_dir) if wandb_dir.is_dir() else {}, told)
    if found is None:
        raise RunError(
            f"no run {name}: neither a directory, nor in {runs_dir}, nor among W&B's offline files in {wandb_dir}"
        )
    return found


def from_directory(run: Run) -> Gathered:
    """A finished run from its directory.

    Raises:
        RunError: a manifest or history is damaged.
        EvaluationError: an evaluation is damaged.
    """
    files = {split: run.eval / file_name(split) for split in ORDER}
    history = run.path / HISTORY
    try:
        log = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
    except ValueError as error:
        raise RunError(f"{history} is damaged: {error}") from error
    return Gathered(
        id=run.id,
        manifest=run.manifest,
        evaluations={split: load_evaluation(file) for split, file in files.items() if file.is_file()},
        log=log,
        parents=tuple(_parents(run)),
    )


def from_offline(runs: Mapping[str, OfflineRun], name: str) -> Gathered | None:
    """A run from W&B's offline files: its own, and those of its evaluations; None when neither is there.

    Raises:
        EvaluationError: a table of notices is damaged.
    """
    evaluated = [run for run in runs.values() if _head(run).get("run") == name]
    run = runs.get(name)
    if run is None and not evaluated:
        return None
    found = [evaluation for part in evaluated if (evaluation := _evaluation(part)) is not None]
    training = None if run is None else _training(run)
    config = (run or evaluated[0]).config.get(CONFIG_KEY, {})
    return Gathered(
        id=name,
        manifest={**config, "stage": name.split("-", 1)[0], **({"training": training} if training else {})},
        evaluations={evaluation.split: evaluation for evaluation in found if evaluation.generation.greedy},
        log=[] if run is None else [_trainer_names(line) for line in last_per_step(run)],
        source="W&B's offline files",
    )


def _parents(run: Run) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    parent = run.manifest.get("parent")
    while parent:
        above = Run(run.path.parent / parent)
        if not above.finished:
            break
        found.append(above.manifest)
        parent = above.manifest.get("parent")
    return found


def _training(run: OfflineRun) -> dict[str, Any] | None:
    """What a manifest says of the training, as far as the summary has it."""
    speed, seconds = (run.summary.get(f"final/perf/{key}") for key in ("items_per_s", "seconds"))
    return None if seconds is None else {"seconds": seconds, "metrics": {"train_samples_per_second": speed}}


def _trainer_names(line: Mapping[str, Any]) -> dict[str, Any]:
    """W&B's keys as the trainer's log has them: ``train/loss`` is ``loss``, ``eval/loss`` is ``eval_loss``."""
    return {
        f"eval_{key.removeprefix('eval/')}" if key.startswith("eval/") else key.removeprefix("train/"): value
        for key, value in line.items()
    }


def _head(run: OfflineRun) -> dict[str, Any]:
    """Of the evaluation that a W&B run holds; empty when it holds none."""
    return dict(run.config.get(CONFIG_KEY, {}).get("evaluation") or {})


def _evaluation(run: OfflineRun) -> Evaluation | None:
    """The evaluation that a W&B run holds; None when its table is gone."""
    head = _head(run)
    path = (run.summary.get(NOTICES) or {}).get("path")
    file = next((file for folder in run.folders if path and (file := folder / "files" / path).is_file()), None)
    if file is None:
        return None
    names = {part.name for part in fields(Evaluation)} - {"records"}
    try:
        rubric, generation = Rubric(**head["rubric"]), Generation(**head["generation"])
        told = {key: value for key, value in head.items() if key in names} | {
            "rubric": rubric,
            "generation": generation,
        }
        return Evaluation(**told, records=_records(json.loads(file.read_text(encoding="utf-8")), rubric))
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{file}: no evaluation can be read from it ({type(error).__name__}: {error})") from error


def _records(table: Mapping[str, Any], rubric: Rubric) -> tuple[Record, ...]:
    """The notices of a table, judged anew; their time and tokens are not in it."""
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    verdicts = judge_batch([(row["notice"], int(row["yesterday"]), int(row["today"])) for row in rows], rubric)
    answers: dict[Reading, list[JudgedNotice]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        reading = Reading(int(row["yesterday"]), int(row["today"]))
        answers.setdefault(reading, []).append(JudgedNotice(row["notice"], 0, True, 0.0, verdict))
    return tuple(Record(reading, tuple(written)) for reading, written in answers.items())
