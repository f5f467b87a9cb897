"""The model card of an adapter, in the hub's format: what it is, what was measured, what it comes from.

It lies as ``README.md`` in the adapter's folder, is written at the end of a training and again with every evaluation,
and holds no path of this machine. Uploading is off unless the recipe says ``push_to_hub``.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData

from data.files import write_atomic
from eval.gather import ORDER
from eval.markdown import table
from eval.measure import MEASURES
from eval.ran import run_facts
from eval.record import Evaluation, file_name, load_evaluation
from eval.summary import rates
from models.embedded import EMBEDDED_NAME
from models.processes import is_main
from models.runs import Run
from models.tracking.lineage import nodes

CARD = "README.md"
GEMMA = {"license": "gemma", "license_link": "https://ai.google.dev/gemma/terms"}
"""The embedded weights' terms go with what is made from them."""


def write_card(run: Run) -> Path:
    """Write the card of a finished run's adapter, whole or not at all; returns its path.

    Raises:
        models.runs.RunError: the manifest cannot be read.
        eval.record.EvaluationError: an evaluation is damaged.
        OSError: the file cannot be written.
    """
    files = {split: run.eval / file_name(split) for split in ORDER}
    made = [load_evaluation(file) for file in files.values() if file.is_file()]
    path = run.adapter / CARD
    write_atomic(path, str(card(run.id, run.manifest, made)))
    return path


def card(name: str, manifest: Mapping[str, Any], made: list[Evaluation]) -> ModelCard:
    """The card of a run from its manifest and its evaluations."""
    base = manifest["base_model"]
    results = [result for evaluation in made for result in eval_results(evaluation)]
    data = ModelCardData(
        language="ko",
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["ondo", "lora", "trl", manifest["stage"]],
        model_name=name,
        eval_results=results or None,
        **_base(base),
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(_text(name, manifest, made)) + "\n")


def eval_results(evaluation: Evaluation) -> Iterator[EvalResult]:
    """Every measure of an evaluation as the hub lists it, with the ends of its interval."""
    for measure, found in rates(evaluation.records).items():
        yield EvalResult(
            task_type="text-generation",
            dataset_type="ondo-park-notices",
            dataset_name="ondo park notices",
            dataset_split=evaluation.split,
            metric_type="pass_rate",
            metric_name=f"{measure} pass rate",
            metric_value=round(found.rate, 6),
            metric_args={
                "measure": measure,
                "readings": found.n,
                "low": round(found.low, 6),
                "high": round(found.high, 6),
            },
        )


def finish_card(run: Run, config: Any) -> None:
    """After a training: write the card and, when the recipe says ``push_to_hub``, upload the adapter's folder with it.

    Args:
        run: finished.
        config: transformers' ``TrainingArguments``; ``hub_model_id`` (the run's id without it), ``hub_private_repo``
            and ``hub_revision`` count.

    Raises:
        OSError: the hub refuses or cannot be reached; the run is finished all the same.
    """
    if not is_main():
        return
    write_card(run)
    if not config.push_to_hub:
        return
    try:
        hub = HfApi()
        repo = hub.create_repo(config.hub_model_id or run.id, private=config.hub_private_repo, exist_ok=True).repo_id
        hub.upload_folder(
            repo_id=repo, folder_path=run.adapter, commit_message=f"ondo {run.id}", revision=config.hub_revision
        )
    except Exception as error:
        error.add_note(
            f"the run is finished; upload it by hand: hf upload {config.hub_model_id or run.id} {run.adapter}"
        )
        raise
    print(f"ondo: adapter and card are on the hub: {hub.endpoint}/{repo}")


def _base(name: str) -> dict[str, Any]:
    """Base model and licence, as far as the hub knows the name."""
    if name == EMBEDDED_NAME:
        return GEMMA
    on_hub = "/" in name and not Path(name).exists() and not name.startswith((".", os.sep))
    return {"base_model": name} if on_hub else {}


def _text(name: str, manifest: Mapping[str, Any], made: list[Evaluation]) -> Iterator[str]:
    stage = {"sft": "fine-tuned on written notices (SFT)", "dpo": "trained on verified pairs (DPO)"}[manifest["stage"]]
    yield f"# {name}"
    yield (
        f"A LoRA adapter for `{manifest['base_model']}`, {stage} with ondo. From yesterday's and today's temperature "
        "it writes one Korean sentence for a park display: the change in figures and a piece of park advice."
    )
    yield "## Measured"
    if made:
        yield table(["split", "measure", "passed", "rate", "95 % interval"], list(_rows(made)))
        yield (
            "Share of readings whose notice passes, by rules that a program checks; Wilson intervals. `overall` is all "
            "eight rules. A notice that fails must not be shown: put the judge in front of a display."
        )
    else:
        yield "Not evaluated yet."
    yield "## How it was made"
    facts = [(label, value) for label, value in run_facts(name, manifest) if label != "W&B"]
    yield table(["", ""], facts)
    taken = [node for side in ("inputs", "outputs") for node in nodes(manifest.get("lineage"), side)]
    if taken:
        yield "## Lineage"
        yield table(["role", "name", "sha256"], [[node.role, node.name, node.digest] for node in taken])


def _rows(made: list[Evaluation]) -> Iterator[list[str]]:
    for evaluation in made:
        found = rates(evaluation.records)
        for measure in ("overall", *(name for name in MEASURES if name != "overall")):
            rate = found[measure]
            yield [
                evaluation.split,
                measure,
                f"{rate.passed:g} of {rate.n}",
                f"{rate.rate:.1%}",
                f"{rate.low:.1%} - {rate.high:.1%}",
            ]
