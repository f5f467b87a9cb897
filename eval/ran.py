"""What ran, as a report says it: the facts of a run, what is remarkable about it, and the machine."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from eval.record import Evaluation
from models.checkout import git_state
from models.runs import Run, hardware, package_versions

Facts = list[tuple[str, str]]

SETTINGS = (
    "loss_type",
    "loss_weights",
    "beta",
    "learning_rate",
    "lr_scheduler_type",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "dtype",
    "quantization",
    "packing",
    "per_example",
    "pool",
    "per_pool_cell",
    "faults",
    "seed",
)
"""Keys of a recipe that a report names; the recipe as it was given stands below them."""

_MANY = 8
"""Mappings of more entries (pairs by fault, say) have a table of their own."""


def environment() -> dict[str, Any]:
    """Code, packages and machine as they are now."""
    return {"git": git_state(), "packages": package_versions(), "hardware": hardware()}


def environment_facts(found: Mapping[str, Any]) -> Facts:
    """A line for each part of :func:`environment`."""
    facts = [("code", git_text(found.get("git")))]
    facts += [(key.replace("_gib", ", GiB"), _text(value)) for key, value in found.get("hardware", {}).items()]
    return [*facts, ("packages", ", ".join(f"{name} {version}" for name, version in found.get("packages", {}).items()))]


def stage_facts(run: Run | None, evaluation: Evaluation) -> Facts:
    """What a stage was made from, when, and how its notices were written.

    Raises:
        models.runs.RunError: the manifest cannot be read.
    """
    generation = evaluation.generation
    how = "greedy" if generation.greedy else f"temperature {generation.temperature:g}, seed {generation.seed}"
    number = "one" if generation.samples == 1 else str(generation.samples)
    written = f"{number} for each reading, {how}, at most {generation.max_new_tokens} tokens, on {evaluation.device}"
    return [
        *([] if run is None else run_facts(run.id, run.manifest)),
        ("base model", f"{evaluation.model}, weights {evaluation.weights_hash[:12]}"),
        ("adapter", "none" if evaluation.adapter_hash is None else evaluation.adapter_hash[:12]),
        ("template, prompt", f"{evaluation.template_hash[:12]}, {evaluation.prompt_hash[:12]}"),
        ("notices", f"{written}, {_time(evaluation.created)}"),
    ]


def stage_remarks(run: Run | None, evaluation: Evaluation) -> Iterator[str]:
    """What a reader must know of a stage, without its name.

    Raises:
        models.runs.RunError: the manifest cannot be read.
    """
    if evaluation.limited:
        of = f"the {evaluation.split_size} readings of {evaluation.split}"
        yield f"only the first {len(evaluation.records)} of {of} were taken."
    if run is None:
        return
    manifest = run.manifest
    git = manifest.get("git")
    if git is None:
        yield "ran outside a git checkout, so the state of the code is not known."
    elif git["dirty"]:
        yield f"ran on code with changes beyond commit {git['commit'][:12]}."
    sunk = manifest.get("displacement")
    if sunk:
        yield (
            f"at step {sunk['step']:g} the chosen notices had become {-sunk['shift']:.1f} nats less probable than they "
            "were under the reference."
        )
    resumed = manifest.get("training", {}).get("resumed_from")
    if resumed:
        yield f"the training was interrupted and went on from {resumed}; its time counts from there."


def git_text(git: Mapping[str, Any] | None) -> str:
    """A commit and whether the tree differed from it."""
    if git is None:
        return "no git checkout"
    return f"commit {git['commit'][:12]}, {'with changes beyond it' if git['dirty'] else 'clean'}"


def duration(seconds: float) -> str:
    """E.g. ``4 min 10 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def run_facts(name: str, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a run was made from, when and how, from its manifest."""
    yield "run", name if manifest.get("parent") is None else f"{name}, from {manifest['parent']}"
    yield "started", _time(manifest["started"])
    training = manifest.get("training")
    if training:
        took = f"{training['steps']} steps, {training['epochs']:.3g} epochs in {duration(training['seconds'])}"
        best = training.get("best_checkpoint")
        yield "training", took if best is None else f"{took}; {best} was the best and is kept"
    recipe = manifest["recipe"]
    named = [
        (key, recipe[key]) for key in SETTINGS if recipe.get(key) is not None and _says_something(key, recipe[key])
    ]
    if named:
        yield "settings", ", ".join(f"{key} {_text(value)}" for key, value in named)
    if manifest.get("data"):
        yield "data", ", ".join(_flat(manifest["data"]))
    yield "code", git_text(manifest.get("git"))
    tracking = manifest.get("wandb")
    if tracking:
        where = tracking.get("url") or tracking.get("folder")
        yield "W&B", f"{tracking['mode']}, {tracking['reason']}{f': {where}' if where else ''}"


def _says_something(key: str, value: Any) -> bool:
    return key != "max_steps" or value > 0


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in content.items():
        label = f"{above} {key}".strip()
        if isinstance(value, Mapping):
            if len(value) <= _MANY:
                yield from _flat(value, label)
        elif value is not None:
            shown = "/".join(Path(value).parts[-2:]) if key == "file" else _text(value)
            yield f"{label.replace('_', ' ')} {shown[:12] if key == 'sha256' else shown}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
