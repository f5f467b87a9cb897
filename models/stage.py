"""A training from its first line to its last: run directory, W&B, checkpoints, adapter, manifest; or its continuation.

Both stages hand over how their trainer is built; everything around it is here, so that they keep runs alike.
"""

import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback

from data.files import write_atomic
from data.prompts import prompt_hash
from models.adapter import save_adapter
from models.arguments import RunArguments
from models.load import Loaded
from models.memory import keep_freed
from models.processes import broadcast, is_main, wait_for_all
from models.progress import ShortProgress
from models.recipe import recipe_text, resolved
from models.runs import CODE, Run, RunError, create_run, finish_run, last_checkpoint, open_unfinished
from models.template import template_hash
from models.tracking.lineage import Node, base_model_node, lineage, node, nodes
from models.tracking.metrics import TrackingCallback, final_metrics
from models.tracking.mode import check_mode
from models.tracking.run import Tracking, described, finish_tracking, run_tags, start_tracking, tracked_config

HISTORY = "history.json"
"""What the trainer logged, line by line, in the run's directory."""


@dataclass(frozen=True)
class Stage:
    """What a stage is made from.

    Attributes:
        name: ``sft`` or ``dpo``.
        parts: the recipe's dataclasses.
        run: where the run is kept.
        seed: of the training.
        entries: what the manifest shall say beyond what every run says: data files and their hashes, say.
        parent: the run this one goes on from.
        group: W&B group; the parent's, or the run's own id, when None.
        inputs: what the adapter is made from, beside the base model.
    """

    name: str
    parts: tuple[Any, ...]
    run: RunArguments
    seed: int
    entries: Mapping[str, Any]
    parent: Run | None = None
    group: str | None = None
    inputs: tuple[Node, ...] = ()

    @property
    def pipeline(self) -> str | None:
        """The name that runs of one pipeline share: the one given, or the parent's."""
        inherited = None if self.parent is None else self.parent.manifest.get("group")
        return self.group or inherited


def fit(
    stage: Stage,
    loaded: Loaded,
    build: Callable[[Run], Any],
    conclude: Callable[[Any], Mapping[str, Any]] = lambda trainer: {},
    outputs: Callable[[Run], Sequence[Node]] = lambda run: (),
    show: Callable[[Run, Any, Tracking], None] = lambda run, trainer, tracking: None,
) -> Run:
    """Train, save the adapter and finish the run.

    When training stops early, by an error, a full disk or Ctrl-C, the run stays unfinished and the error carries a note
    that says how to go on from the last checkpoint. A run whose training never began leaves nothing behind.

    Args:
        stage: what is trained.
        loaded: the base model.
        build: makes the trainer for a run; its model is the PEFT model whose adapter ``default`` is saved.
        conclude: further entries of the final manifest, from the trainer after training.
        outputs: what the run made beside the adapter.
        show: sends tables and pictures of the run and its trainer to W&B.

    Raises:
        RunError: the run to resume is finished, missing, or was started with another recipe.
        OSError: a file cannot be written.
        ValueError: ``WANDB_MODE`` is no mode.
    """
    check_mode(os.environ)
    keep_freed()
    run = Run(Path(broadcast(lambda: str(_open(stage, loaded).path))))
    tracking, began = Tracking("disabled", "another process tracks"), bool(stage.run.resume)
    try:
        trainer = build(run)
        _make_quiet(trainer)
        callback = None
        if trainer.is_world_process_zero():
            tracking = _track(stage, loaded, run)
            callback = TrackingCallback(tracking)
            trainer.add_callback(callback)
        checkpoint = last_checkpoint(run) if stage.run.resume else None
        began, started, worked = True, time.monotonic(), time.process_time()
        outcome = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        wait_for_all()
        if callback is not None:
            save_adapter(trainer.accelerator.unwrap_model(trainer.model), loaded, run.adapter)
            write_atomic(run.path / HISTORY, json.dumps(trainer.state.log_history, indent=1) + "\n")
            made = (node("adapter", f"{stage.name}-adapter", "model", run.adapter), *outputs(run))
            finish_run(
                run,
                training={
                    "steps": trainer.state.global_step,
                    "epochs": trainer.state.epoch,
                    "seconds": round(time.monotonic() - started, 1),
                    "cpu_seconds": round(time.process_time() - worked, 1),
                    "resumed_from": None if checkpoint is None else checkpoint.name,
                    "best_checkpoint": _name(trainer.state.best_model_checkpoint),
                    "best_metric": trainer.state.best_metric,
                    "metrics": outcome.metrics,
                    **callback.pace.manifest(),
                },
                **conclude(trainer),
                lineage=lineage(nodes(run.manifest.get("lineage"), "inputs"), (*made, *_code(run))),
            )
    except BaseException as error:
        finish_tracking(tracking, failed=True)
        if not began:
            if is_main():
                shutil.rmtree(run.path, ignore_errors=True)
            raise
        told = (_full_disk(error, run) if isinstance(error, RuntimeError) else None) or error
        told.add_note(f"the run is unfinished; go on with: launch/{stage.name}.py --resume {run.path}")
        if told is error:
            raise
        raise told from error
    if callback is not None:
        _conclude(trainer, tracking, callback, made)
        tracking.attempt("tables and pictures", lambda _: show(run, trainer, tracking))
    finish_tracking(tracking)
    wait_for_all()
    if is_main():
        print(f"ondo: finished {run.path}", file=sys.stderr)
    return run


def _track(stage: Stage, loaded: Loaded, run: Run) -> Tracking:
    """Begin the run's W&B run, or go on with the one it had, and say what goes into it."""
    began = run.manifest
    tracking = start_tracking(
        (began.get("wandb") or {}).get("id") or run.id,
        stage.name,
        tracked_config(began),
        wanted=stage.run.tracking,
        group=stage.pipeline or run.id,
        tags=run_tags(began),
    )
    run.record(wandb=described(tracking))
    for taken in stage.inputs:
        tracking.take_in(taken)
    for code in _code(run):
        tracking.put_out(code)
    return tracking


def _code(run: Run) -> list[Node]:
    """What the code differed by from its commit, if it did."""
    path = run.path / CODE
    return [node("code", "code-diff", "code", path)] if path.is_file() else []


def _conclude(trainer: Any, tracking: Tracking, callback: TrackingCallback, made: Sequence[Node]) -> None:
    best = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    tracking.conclude({**final_metrics(trainer.state.log_history, best or None), **callback.pace.total()})
    for output in made:
        tracking.put_out(output)


def _open(stage: Stage, loaded: Loaded) -> Run:
    settings = resolved(*stage.parts)
    if stage.run.resume:
        run = open_unfinished(stage.run.resume)
        before = run.manifest["recipe"]
        keys = sorted(key for key in settings if settings[key] != before.get(key))
        if keys:
            told = ", ".join(f"{key} ({before.get(key)!r}, now {settings[key]!r})" for key in keys)
            raise RunError(f"run {run.path} was started with other settings: {told}; resume it with {run.recipe_file}")
        changed = sorted(key for key, value in stage.entries.items() if run.manifest.get(key) != value)
        if changed:
            raise RunError(
                f"run {run.path} was started with other {' and '.join(changed)} than there is now; start anew"
            )
        return run
    return create_run(
        stage.name,
        settings,
        runs_dir=stage.run.folder,
        parent=stage.parent,
        recipe_text=recipe_text(stage.parts, [type(part)() for part in stage.parts]),
        group=stage.pipeline,
        recipe_name=stage.run.recipe_name,
        lineage=lineage([base_model_node(loaded.spec.name, loaded.weights_hash), *stage.inputs]),
        base_model=loaded.spec.name,
        base_revision=loaded.spec.revision,
        base_spec=dataclasses.asdict(loaded.spec),
        weights_hash=loaded.weights_hash,
        template_hash=template_hash(loaded.tokenizer),
        prompt_hash=prompt_hash(),
        seed=stage.seed,
        **stage.entries,
    )


def _make_quiet(trainer: Any) -> None:
    """Short lines instead of every metric; no model card in every checkpoint, which asks W&B for an address."""
    trainer.remove_callback(PrinterCallback)
    trainer.create_model_card = lambda *_, **__: None
    if not trainer.args.disable_tqdm:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(ShortProgress)


def _full_disk(error: RuntimeError, run: Run) -> OSError | None:
    """What torch's way of saying that a file cannot be written means; None when it says something else."""
    if "iostream error" not in str(error) and "inline_container" not in str(error):
        return None
    return OSError(f"a checkpoint in {run.checkpoints} cannot be written; is the disk full? ({error})")


def _name(checkpoint: str | None) -> str | None:
    return None if checkpoint is None else Path(checkpoint).name
