"""Evaluations and pictures in W&B: an evaluation is a run of its own, whose figures its model's run gets, too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.plots import can_draw, curves
from eval.record import Evaluation
from eval.summary import flat_metrics, rates
from eval.tables import FAILURES, NOTICES, failure_rows, notice_rows
from models.arguments import TrackingMode
from models.runs import Run
from models.tracking.lineage import base_model_node, lineage, node, with_evaluation
from models.tracking.metrics import speeds
from models.tracking.run import Tracking, finish_tracking, run_tags, start_tracking, tracked_config

CURVES = "curves.png"
"""The course of a training, in the run's directory."""


def track_evaluation(
    evaluation: Evaluation, run: Run, path: Path, pictures: Mapping[str, Path], *, wanted: TrackingMode = "auto"
) -> None:
    """Send an evaluation to W&B and write it into the lineage of the run whose model it is.

    Args:
        evaluation: with its answers.
        run: whose model wrote them; its manifest gets the evaluation as an output.
        path: the evaluation's file.
        pictures: PNG files by the name they shall have.
        wanted: see :func:`models.tracking.mode.resolve_mode`.

    Raises:
        ValueError: ``WANDB_MODE`` is no mode.
        OSError: the adapter or the file cannot be read.
    """
    manifest, split = run.manifest, path.stem
    adapters = [] if run.stage == "base" else [node("adapter", f"{run.stage}-adapter", "model", run.adapter)]
    inputs = [base_model_node(manifest["base_model"], manifest["weights_hash"]), *adapters]
    output = node("evaluation", f"evaluation-{split}", "evaluation", path)
    final = final_rates(evaluation, split)
    name = f"eval-{split}-{run.id}"
    config = {
        **tracked_config(manifest),
        "run": name,
        "stage": "eval",
        "parent": run.id,
        "evaluation": {key: value for key, value in evaluation.to_dict().items() if key != "records"},
        "lineage": lineage(inputs, [output]),
    }
    group, tags = manifest.get("group") or run.id, run_tags(manifest)
    tracking = start_tracking(name, "eval", config, wanted=wanted, group=group, tags=tags)
    for taken in inputs:
        tracking.take_in(taken)
    pace, seconds = evaluation_pace(evaluation)
    metrics = {
        key.replace("final/", "eval/", 1): value for key, value in final.items() if not key.endswith("/readings")
    }
    tracking.log({**metrics, **pace}, manifest.get("training", {}).get("steps", 0))
    tracking.table("notices", NOTICES, notice_rows(evaluation))
    tracking.table("failures", FAILURES, failure_rows(evaluation))
    for title, picture in pictures.items():
        tracking.image(title, picture)
    tracking.conclude(
        {**final, **{f"final/{key}": value for key, value in pace.items()}, "final/perf/seconds": seconds}
    )
    tracking.put_out(output)
    finish_tracking(tracking)
    run.record(lineage=with_evaluation(manifest.get("lineage"), output))
    known = (manifest.get("wandb") or {}).get("id")
    if known and tracking.mode != "disabled":
        model = start_tracking(known, run.stage, tracked_config(run.manifest), wanted=wanted, group=group, tags=tags)
        model.conclude(final)
        finish_tracking(model)


def final_rates(evaluation: Evaluation, split: str) -> dict[str, float]:
    """The ``final/<split>/`` entries of an evaluation; ``split`` is its name in the keys."""
    found = flat_metrics(rates(evaluation.records), split)
    final = {key.replace("eval/", "final/", 1): value for key, value in found.items()}
    return {**final, f"final/{split}/readings": len(evaluation.records)}


def evaluation_pace(evaluation: Evaluation) -> tuple[dict[str, float], float]:
    """The ``perf/`` metrics of an evaluation, whose items are notices, and the seconds of generation."""
    answers = [answer for record in evaluation.records for answer in record.answers]
    seconds = sum(answer.seconds for answer in answers)
    return speeds(len(answers), sum(answer.tokens for answer in answers), seconds), seconds


def show_curves(trainer: Any, tracking: Tracking, run: Run) -> None:
    """Draw the course of a training beside its history and send the picture.

    Raises:
        OSError: the picture cannot be written.
    """
    log = trainer.state.log_history
    if can_draw(log):
        curves({run.stage.upper(): log}, run.path / CURVES)
        tracking.image("curves", run.path / CURVES)
