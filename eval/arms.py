"""Arms of a comparison: a run, or several that differ in nothing but the seed; their names and their settings."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean
from typing import Any

from eval.gather import Gathered
from eval.ran import SETTINGS, git_text

SEEDS = ("seed", "data_seed")
_PLACES = ("sft", "pairs", "train_file", "validation_file")
"""Recipe keys that name files or runs: what these hold is compared by its hash."""

_FEW = 3
"""So many settings make a name; an arm that differs in more is called by its run."""


@dataclass(frozen=True)
class Arm:
    """One column of a comparison: ``runs`` differ in nothing but the seed; mostly it is one."""

    name: str
    runs: tuple[Gathered, ...]

    @property
    def first(self) -> Gathered:
        """The run that stands for the others where only one can."""
        return self.runs[0]

    @property
    def log(self) -> list[dict[str, Any]]:
        """The course of the training; of several seeds the mean of each step and key that all of them have."""
        return mean_log([run.log for run in self.runs])


def pooled(runs: Sequence[Gathered]) -> list[Arm]:
    """Arms in the order of the runs, those that differ in nothing but the seed put together.

    What counts are the stage, every other setting, data, base model, prompt, code, and the same of the runs they go on
    from. A run's arm is never guessed: where a parent's directory is gone, its adapter's hash stands for it.
    """
    groups: dict[str, list[Gathered]] = {}
    for run in runs:
        groups.setdefault(_key([run.manifest, *run.parents], run), []).append(run)
    return named(list(groups.values()))


def named(groups: Sequence[Sequence[Gathered]]) -> list[Arm]:
    """An arm for each group of runs, named by its stage and, where that is not enough, by what tells it apart."""
    stages = [group[0].stage for group in groups]
    names = []
    for group in groups:
        alike = [groups[other][0] for other, stage in enumerate(stages) if stage == group[0].stage]
        names.append(_name(group[0], alike))
    for number, group in enumerate(groups):
        if names.count(names[number]) > 1 or names[number] == "":
            names[number] = f"{stages[number]} {group[0].id.rsplit('-', 1)[-1]}"
    return [Arm(name, tuple(group)) for name, group in zip(names, groups, strict=True)]


def setting_rows(arms: Sequence[Arm]) -> list[tuple[str, list[str]]]:
    """What the arms differ in: the name of each setting, and its value in every arm; empty where an arm has none.

    Within a stage every setting counts; between stages those that reports name (:data:`eval.ran.SETTINGS`).
    """
    found = [_settings(arm) for arm in arms]
    rows = []
    for key in dict.fromkeys(key for settings in found for key in settings):
        values = [settings.get(key, "") for settings in found]
        by_stage: dict[str, set[str]] = {}
        for arm, value in zip(arms, values, strict=True):
            by_stage.setdefault(arm.first.stage, set()).add(value)
        told = key in (*SETTINGS, *_FACTS) and len(set(values)) > 1
        if told or any(len(members) > 1 for members in by_stage.values()):
            rows.append((key.replace("_", " ") if key in _FACTS else key, values))
    return rows


def mean_log(logs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One log of several: at each step the mean of every number that each of them has there, its last if several."""
    if len(logs) == 1:
        return [dict(line) for line in logs[0]]
    by_step = [_by_step(log) for log in logs]
    shared = [step for step in sorted(by_step[0]) if all(step in other for other in by_step)]
    return [
        {
            "step": step,
            **{
                key: fmean(part[step][key] for part in by_step)
                for key in by_step[0][step]
                if key != "step" and all(isinstance(part[step].get(key), int | float) for part in by_step)
            },
        }
        for step in shared
    ]


def text(value: Any) -> str:
    """A setting as a reader sees it."""
    if isinstance(value, list):
        return " + ".join(map(text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


_FACTS = ("base_model", "weights", "parent", "data", "code", "seeds")


def _key(manifests: Sequence[Mapping[str, Any]], run: Gathered) -> str:
    parts: list[Any] = [run.stage]
    for manifest in manifests:
        recipe = manifest.get("recipe", {})
        parts.append(
            {
                "recipe": {key: value for key, value in recipe.items() if key not in (*SEEDS, *_PLACES)},
                "data": list(_hashes(manifest)),
                **{key: manifest.get(key) for key in ("weights_hash", "template_hash", "prompt_hash", "git")},
            }
        )
    last = manifests[-1]
    if last.get("parent"):  # its directory is gone
        parts.append([last["parent"], last.get("parent_adapter_sha256")])
    if run.stage == "base":
        parts.append(run.id)  # nothing in it was left to a seed
    return json.dumps(parts, sort_keys=True, default=str)


def _hashes(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Of the files a run learnt from; pairs that it made itself follow from the seed and do not count."""
    data = manifest.get("data", {})
    for part in data.values():
        if isinstance(part, Mapping) and "sha256" in part:
            yield part["sha256"]
    if data.get("file") and data.get("sha256"):
        yield data["sha256"]


def _name(run: Gathered, alike: Sequence[Gathered]) -> str:
    if len(alike) == 1:
        return run.stage
    recipes = [other.manifest.get("recipe", {}) for other in alike]
    keys = [
        key
        for key in run.manifest.get("recipe", {})
        if key not in (*SEEDS, *_PLACES) and len({text(recipe.get(key)) for recipe in recipes}) > 1
    ]
    if not 0 < len(keys) <= _FEW:
        return ""
    return f"{run.stage} " + ", ".join(f"{key} {text(run.manifest['recipe'].get(key)) or 'none'}" for key in keys)


def _settings(arm: Arm) -> dict[str, str]:
    manifest = arm.first.manifest
    seeds = [text(run.manifest.get("recipe", {}).get("seed")) for run in arm.runs]
    commits = dict.fromkeys(git_text(run.manifest.get("git")) for run in arm.runs)
    parents = dict.fromkeys(str(run.manifest["parent"]) for run in arm.runs if run.manifest.get("parent"))
    facts = {
        "base_model": text(manifest.get("base_model")),
        "weights": str(manifest.get("weights_hash") or "")[:12],
        "parent": ", ".join(parents),
        "data": ", ".join(part[:12] for part in _hashes(manifest)),
        "code": ", ".join(commits),
        "seeds": ", ".join(seed for seed in seeds if seed),
    }
    recipe = {
        key: PurePath(value).name if key in _PLACES and value else _said(key, value)
        for key, value in manifest.get("recipe", {}).items()
        if key not in (*SEEDS, "base_model", "sft")
    }
    return {**facts, **recipe}


def _said(key: str, value: Any) -> str:
    return "" if key == "max_steps" and value <= 0 else text(value)


def _by_step(log: Sequence[Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for line in log:
        found.setdefault(line.get("step"), {}).update(line)
    return found
