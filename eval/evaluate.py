"""Have a model write the notices of a split, judge them, and keep both.

First the plan, an :class:`~eval.record.Evaluation` whose records have no answers yet: what is wrong with a split, a
limit or a comparison shows before minutes of generation. Then the answers.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from data.grid import Split
from data.prompts import prompt_hash
from data.reading import Reading
from data.splits import cells
from eval.record import Evaluation, Generation, JudgedNotice, Record
from models.generate import generate_notices
from models.load import Loaded
from models.runs import Run, create_run, file_hash, finish_run
from models.template import template_hash
from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric

Progress = Callable[[int, int], None]
"""Called with readings done and readings in all."""

EVALUATED: tuple[Split, ...] = ("validation", "selection", "guide", "test-mini", "test")


def base_run(loaded: Loaded, runs_dir: Path, **entries: Any) -> Run:
    """A finished run of stage ``base``, for the evaluations of a base model without an adapter.

    Raises:
        OSError: its directory cannot be written.
    """
    run = create_run(
        "base",
        {"base_model": loaded.spec.name, "base_revision": loaded.spec.revision},
        runs_dir=runs_dir,
        base_model=loaded.spec.name,
        base_revision=loaded.spec.revision,
        base_spec=asdict(loaded.spec),
        weights_hash=loaded.weights_hash,
        template_hash=template_hash(loaded.tokenizer),
        prompt_hash=prompt_hash(),
        **entries,
    )
    finish_run(run)
    return run


def plan(
    loaded: Loaded,
    split: str,
    *,
    run: Run | None = None,
    limit: int | None = None,
    generation: Generation = Generation(),  # noqa: B008 - frozen
    rubric: Rubric = DEFAULT_RUBRIC,
) -> Evaluation:
    """What will be evaluated: everything but the answers.

    Args:
        loaded: the base model, with or without the run's adapter on it.
        split: one of :data:`EVALUATED`.
        run: whose model it is; None for a base model outside a run.
        limit: take the first so many readings, in the split's fixed order.
        generation: how the notices are written.
        rubric: the limits they are judged by.

    Raises:
        ValueError: unknown split, or a limit below 1.
        OSError: the run's adapter cannot be read.
    """
    if split not in EVALUATED:
        raise ValueError(f"unknown split {split!r}: take one of {', '.join(EVALUATED)}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    readings = cells(split)
    adapter = None if run is None or run.stage == "base" else run.adapter / "adapter_model.safetensors"
    return Evaluation(
        run=None if run is None else run.id,
        stage="base" if run is None else run.stage,
        model=loaded.spec.name,
        split=split,
        split_size=len(readings),
        weights_hash=loaded.weights_hash,
        adapter_hash=None if adapter is None else file_hash(adapter),
        template_hash=template_hash(loaded.tokenizer),
        prompt_hash=prompt_hash(),
        rubric=rubric,
        generation=generation,
        device=_device(loaded.model),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        records=tuple(Record(reading, ()) for reading in readings[:limit]),
    )


def evaluate(model: Any, tokenizer: Any, planned: Evaluation, progress: Progress | None = None) -> Evaluation:
    """The planned evaluation with its answers.

    Args:
        model: the base model, or the PEFT model with the run's adapter.
        tokenizer: its tokenizer.
        planned: from :func:`plan`.
        progress: told after every batch.
    """
    readings = [record.reading for record in planned.records]
    return replace(
        planned, records=write_records(model, tokenizer, readings, planned.generation, planned.rubric, progress)
    )


def write_records(
    model: Any,
    tokenizer: Any,
    readings: Sequence[Reading],
    generation: Generation,
    rubric: Rubric = DEFAULT_RUBRIC,
    progress: Progress | None = None,
) -> tuple[Record, ...]:
    """Generate and judge: a record for each reading, in the order given."""
    written = generate_notices(model, tokenizer, readings, progress=progress, **asdict(generation))
    items = [
        (answer.text, reading.yesterday, reading.today)
        for reading, answers in zip(readings, written, strict=True)
        for answer in answers
    ]
    verdicts = iter(judge_batch(items, rubric))
    return tuple(
        Record(
            reading,
            tuple(JudgedNotice(a.text, a.tokens, a.finished, round(a.seconds, 6), next(verdicts)) for a in answers),
        )
        for reading, answers in zip(readings, written, strict=True)
    )


def _device(model: Any) -> str:
    if model.device.type == "cuda":
        return str(torch.cuda.get_device_name(model.device))
    return f"{model.device.type}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"
