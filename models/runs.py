"""A run: a directory that says what was done, with what, and to what end.

``runs/<stage>-<time>-<short hash>/`` holds ``recipe.yaml``, ``adapter/``, ``checkpoints/``, ``eval/`` and, as the very
last thing written, ``manifest.json``. Until then ``unfinished.json`` stands in its place, and no command takes the
directory for a finished run.
"""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from data.files import write_atomic
from models.checkout import git_diff, git_state

MANIFEST, UNFINISHED, RECIPE = "manifest.json", "unfinished.json", "recipe.yaml"
CODE = "code.diff"
"""What the code differed by from the commit in the manifest; there when it did."""
_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "tokenizers", "wandb")


class RunError(ValueError):
    """A run is missing, unfinished or damaged; the message names it and the way out."""


@dataclass(frozen=True)
class Run:
    """A run's directory and where things lie in it."""

    path: Path

    @property
    def id(self) -> str:
        """The directory's name, e.g. ``sft-20260131-120000-1a2b3c``."""
        return self.path.name

    @property
    def stage(self) -> str:
        """``sft``, ``dpo``, or ``base`` for a base model's evaluations."""
        return self.id.split("-", 1)[0]

    @property
    def adapter(self) -> Path:
        """Folder of the trained adapter (PEFT, safetensors)."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        """Folder of the trainer's checkpoints."""
        return self.path / "checkpoints"

    @property
    def eval(self) -> Path:
        """Folder of evaluation results."""
        return self.path / "eval"

    @property
    def recipe_file(self) -> Path:
        """The recipe the run was started with, usable as ``--config``."""
        return self.path / RECIPE

    @property
    def finished(self) -> bool:
        """Whether the final manifest stands."""
        return (self.path / MANIFEST).is_file()

    @property
    def manifest(self) -> dict[str, Any]:
        """What is recorded so far: the final manifest, or the unfinished one.

        Raises:
            RunError: neither can be read.
        """
        return _read(self.path / (MANIFEST if self.finished else UNFINISHED))

    def record(self, **entries: Any) -> None:
        """Add entries to the manifest, finished or not."""
        _write(self.path / (MANIFEST if self.finished else UNFINISHED), self.manifest | entries)


def create_run(
    stage: str,
    recipe: Mapping[str, Any],
    *,
    runs_dir: Path = Path("runs"),
    parent: Run | None = None,
    recipe_text: str = "",
    **entries: Any,
) -> Run:
    """Make the directory of a new run and write down how it starts.

    Args:
        stage: ``sft``, ``dpo`` or ``base``.
        recipe: every setting, resolved.
        runs_dir: folder of all runs; made if need be.
        parent: the run this one continues.
        recipe_text: the recipe as YAML, kept so that the run can be resumed or repeated.
        entries: further entries of the manifest, e.g. data and weight hashes.

    Raises:
        OSError: the folder cannot be made.
    """
    started = datetime.now(UTC)
    seed = json.dumps([stage, dict(recipe), started.isoformat(), os.getpid()], sort_keys=True, default=str)
    run = Run(runs_dir.resolve() / f"{stage}-{started:%Y%m%d-%H%M%S}-{sha256(seed.encode()).hexdigest()[:6]}")
    run.path.mkdir(parents=True)
    run.eval.mkdir()
    run.checkpoints.mkdir()
    write_atomic(run.recipe_file, recipe_text)
    code = git_state()
    difference = git_diff() if code is not None and code["dirty"] else ""
    if difference:
        write_atomic(run.path / CODE, difference)
    manifest = {
        "run": run.id,
        "stage": stage,
        "parent": None if parent is None else parent.id,
        "command": sys.argv,
        "recipe": dict(recipe),
        "started": started.isoformat(),
        "git": code,
        "packages": package_versions(),
        "hardware": hardware(),
        **entries,
    }
    _write(run.path / UNFINISHED, manifest)
    return run


def finish_run(run: Run, **entries: Any) -> None:
    """Write the final manifest; from here on the run counts as finished.

    Raises:
        RunError: a run of training has no adapter to speak of.
    """
    if run.stage != "base" and not (run.adapter / "adapter_config.json").is_file():
        raise RunError(f"run {run.path}: cannot be finished without an adapter")
    finished = datetime.now(UTC)
    manifest = run.manifest | {"finished": finished.isoformat()} | entries
    _write(run.path / MANIFEST, manifest)
    (run.path / UNFINISHED).unlink(missing_ok=True)


def open_run(path: str | Path) -> Run:
    """A finished run.

    Raises:
        RunError: there is none, or it is unfinished.
    """
    run = Run(Path(path).resolve())
    if run.finished:
        run.manifest  # noqa: B018 - a damaged manifest shall be said here
        return run
    if (run.path / UNFINISHED).is_file():
        raise RunError(f"run {path} is unfinished; go on with it: launch/{run.stage}.py --resume {path}")
    raise RunError(f"no run in {path}: {MANIFEST} is missing")


def open_unfinished(path: str | Path) -> Run:
    """A run that was interrupted, to go on with.

    Raises:
        RunError: there is none, or it is finished.
    """
    run = Run(Path(path).resolve())
    if run.finished:
        raise RunError(f"run {path} is finished; there is nothing to resume")
    if not (run.path / UNFINISHED).is_file():
        raise RunError(f"no run in {path}: {UNFINISHED} is missing")
    return run


def newest_run(stage: str, runs_dir: Path = Path("runs")) -> Run:
    """The finished run of a stage that was started last.

    Raises:
        RunError: there is none; unfinished ones are named.
    """
    every = [Run(path) for path in sorted(runs_dir.resolve().glob(f"{stage}-*")) if path.is_dir()]
    finished = [run for run in every if run.finished]
    if finished:
        return max(finished, key=lambda run: str(run.manifest.get("started")))
    left = [str(run.path) for run in every if (run.path / UNFINISHED).is_file()]
    also = f" (unfinished: {', '.join(left)})" if left else ""
    raise RunError(f"no finished {stage} run in {runs_dir}{also}: run launch/{stage}.py first")


def last_checkpoint(run: Run) -> Path | None:
    """The newest checkpoint that was written to its end, or None."""
    found = [path for path in run.checkpoints.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    found.sort(key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True)
    # The trainer writes its state last, so a checkpoint without it was cut short.
    return next((path for path in found if _readable(path / "trainer_state.json")), None)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


@cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages a result depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Machine, processor, cores, memory in GiB and accelerators."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    devices = range(torch.cuda.device_count())
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": None if memory is None else round(memory, 1),
        "accelerators": [torch.cuda.get_device_name(device) for device in devices],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _readable(path: Path) -> bool:
    try:
        _read(path)
    except RunError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected an object")
    return content


def _write(path: Path, manifest: Mapping[str, Any]) -> None:
    write_atomic(path, json.dumps(manifest, ensure_ascii=False, indent=2, default=str) + "\n")
