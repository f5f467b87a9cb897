"""A training from its first line to its last: run directory, W&B, checkpoints, adapter, manifest; or its continuation.

Both stages hand over how their trainer is built; everything around it is here, so that they keep runs alike.
"""

import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback

from data.files import write_atomic
from data.prompts import prompt_hash
from models.adapter import save_adapter
from models.arguments import RunArguments
from models.load import Loaded
from models.processes import broadcast, is_main, wait_for_all
from models.progress import ShortProgress
from models.recipe import recipe_text, resolved
from models.runs import Run, RunError, create_run, finish_run, last_checkpoint, open_unfinished
from models.template import template_hash
from models.tracking import check_mode, described, finish_tracking, start_tracking, trainer_callback

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
    """

    name: str
    parts: tuple[Any, ...]
    run: RunArguments
    seed: int
    entries: Mapping[str, Any]
    parent: Run | None = None
    group: str | None = None

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
) -> Run:
    """Train, save the adapter and finish the run.

    When training stops early, by an error, a full disk or Ctrl-C, the run stays unfinished and the error carries a note
    that says how to go on from the last checkpoint. A run whose training never began leaves nothing behind.

    Args:
        stage: what is trained.
        loaded: the base model.
        build: makes the trainer for a run; its model is the PEFT model whose adapter ``default`` is saved.
        conclude: further entries of the final manifest, from the trainer after training.

    Raises:
        RunError: the run to resume is finished, missing, or was started with another recipe.
        OSError: a file cannot be written.
        ValueError: ``WANDB_MODE`` is no mode.
    """
    check_mode(os.environ)
    run = Run(Path(broadcast(lambda: str(_open(stage, loaded).path))))
    tracking, began = None, bool(stage.run.resume)
    try:
        trainer = build(run)
        _make_quiet(trainer)
        if is_main():
            tracking = start_tracking(
                run,
                {**resolved(*stage.parts), "lineage": stage.entries, "parent": stage.parent and stage.parent.id},
                wanted=stage.run.tracking,
                group=stage.pipeline,
                tags=(loaded.spec.name, stage.name),
            )
            trainer.args.report_to = tracking.report_to
            if tracking.report_to:
                trainer.add_callback(trainer_callback())
        checkpoint = last_checkpoint(run) if stage.run.resume else None
        began, started = True, time.monotonic()
        outcome = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        wait_for_all()
        if is_main():
            save_adapter(trainer.accelerator.unwrap_model(trainer.model), loaded, run.adapter)
            write_atomic(run.path / HISTORY, json.dumps(trainer.state.log_history, indent=1) + "\n")
            finish_run(
                run,
                training={
                    "steps": trainer.state.global_step,
                    "epochs": trainer.state.epoch,
                    "seconds": round(time.monotonic() - started, 1),
                    "resumed_from": None if checkpoint is None else checkpoint.name,
                    "best_checkpoint": _name(trainer.state.best_model_checkpoint),
                    "best_metric": trainer.state.best_metric,
                    "metrics": outcome.metrics,
                },
                **conclude(trainer),
                **({} if tracking is None else {"wandb": described(tracking)}),
            )
    except BaseException as error:
        if tracking is not None:
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
    if tracking is not None:
        finish_tracking(tracking)
    wait_for_all()
    if is_main():
        print(f"ondo: finished {run.path}", file=sys.stderr)
    return run


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
