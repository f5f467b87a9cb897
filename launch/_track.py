"""The quickstart's steps that are no run of training: data, pairs and report as W&B runs of one group.

Each gives its id and its lineage, which the quickstart keeps in its state as a run keeps its own in its manifest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.examples import TRAIN_FILE, VALIDATION_FILE
from data.prompts import prompt_hash
from data.source import SOURCE
from dpo.cues import CUES
from dpo.load import fault_counts
from dpo.make import Made
from dpo.train import pair_sources, pairs_node
from eval.report import ReportStage
from eval.tables import side_by_side
from eval.track import final_rates
from models.runs import Run
from models.tracking.lineage import Lineage, Node, content_digest, lineage, node
from models.tracking.run import Tracking, finish_tracking, run_tags, start_tracking

Tracked = tuple[str, Lineage]


def track_data(group: str) -> Tracked:
    """The written examples: from their source to the chat files."""
    files = {"examples": TRAIN_FILE, "examples-validation": VALIDATION_FILE}
    outputs = [node("examples", name, "dataset", path) for name, path in files.items()]
    config = {"data": {"source": str(SOURCE), "sha256": content_digest(SOURCE)}}
    return _track(group, "data", config, [], outputs, run_tags({"prompt_hash": prompt_hash()}))


def track_pairs(group: str, path: Path, made: Made, parent: Run) -> Tracked:
    """The pairs, with what each fault gave and what trivial cues see of it."""
    counts = fault_counts(list(made.pairs))

    def show(tracking: Tracking) -> None:
        cues = made.description["cues"]
        rows = [[name, n, *(json.dumps(cues.get(name, {}).get(cue)) for cue in CUES)] for name, n in counts.items()]
        tracking.table("faults", ["fault", "pairs", *CUES], rows)
        tracking.conclude({"final/pairs": len(made.pairs)})

    config = {"data": {"pairs": len(made.pairs), "by_fault": counts}, "parent": parent.id}
    return _track(group, "pairs", config, pair_sources(parent), [pairs_node(path)], run_tags(parent.manifest), show)


def track_report(group: str, path: Path, stages: Sequence[ReportStage]) -> Tracked:
    """The report, with what base, SFT and DPO wrote side by side, one row a reading."""
    runs = [stage.run for stage in stages if stage.run is not None]
    files = [run.eval / stage.evaluation.file_name for run, stage in zip(runs, stages, strict=True)]
    inputs = [
        node(f"evaluation of {run.stage}", f"evaluation-{f.stem}", "evaluation", f)
        for run, f in zip(runs, files, strict=True)
    ]
    last = stages[-1].evaluation

    def show(tracking: Tracking) -> None:
        tracking.table("side_by_side", *side_by_side({stage.name: stage.evaluation for stage in stages}))
        tracking.conclude(final_rates(last, files[-1].stem))

    outputs = [node("report", "report", "report", path)]
    return _track(group, "report", {}, inputs, outputs, run_tags(runs[-1].manifest), show)


def _track(
    group: str,
    step: str,
    config: Mapping[str, Any],
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    tags: Sequence[str],
    show: Callable[[Tracking], None] = lambda tracking: None,
) -> Tracked:
    name, found = f"{step}-{group}", lineage(inputs, outputs)
    job_type = "eval" if step == "report" else step
    told = {"run": name, "stage": step, "group": group, **config, "lineage": found}
    tracking = start_tracking(name, job_type, told, group=group, tags=tags)
    for taken in inputs:
        tracking.take_in(taken)
    tracking.attempt("tables", lambda _: show(tracking))
    for output in outputs:
        tracking.put_out(output)
    finish_tracking(tracking)
    return name, found
