"""Which model is served: the newest finished run, a run or an adapter that was named, or a base model alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from models.adapter import load_adapter
from models.load import ModelError, ModelSpec, load_base, run_spec
from models.runs import Run, RunError, newest_run, open_run
from serve.settings import Settings


@dataclass(frozen=True)
class Chosen:
    """A model ready to be served.

    Attributes:
        model: with the adapter on it, not merged yet.
        tokenizer: its tokenizer.
        name: of the base model.
        run_id: of the run, the adapter folder's name, or None for a base model alone.
    """

    model: Any
    tokenizer: Any
    name: str
    run_id: str | None


def choose_model(settings: Settings) -> Chosen:
    """Load what the settings ask for.

    Raises:
        models.runs.RunError: there is no finished run, or the one named is none.
        models.load.ModelError: the base model cannot be loaded as asked.
        models.adapter.AdapterError: the adapter is missing, damaged, or of another base model.
    """
    run = _run(settings) if settings.use_finetuned else None
    spec = _spec(settings, run)
    on_gpu = torch.cuda.is_available()
    if spec.quantization != "none" and not on_gpu:
        raise ModelError(f"QUANTIZATION={spec.quantization} needs a GPU: set QUANTIZATION=none")
    loaded = load_base(spec)
    adapter = run.adapter if run is not None and run.stage != "base" else None
    if run is None and settings.use_finetuned:
        adapter = settings.adapter_path
    model = loaded.model if adapter is None else load_adapter(loaded, adapter)
    if on_gpu and spec.quantization == "none":
        model = model.to("cuda")
    return Chosen(model, loaded.tokenizer, spec.name, _name(run, adapter))


def _run(settings: Settings) -> Run | None:
    """The run to serve; None for an adapter folder outside a run."""
    path = settings.adapter_path
    if path is None:
        return _newest(settings.runs)
    if (path / "adapter_config.json").is_file():
        inside = Run(path.resolve().parent)
        return inside if inside.finished and inside.adapter == path.resolve() else None
    return open_run(path)


def _newest(runs: Path) -> Run:
    for stage in ("dpo", "sft"):
        try:
            return newest_run(stage, runs)
        except RunError as error:
            missing = error
    raise RunError(
        f"no finished run in {runs}: make one with `make quickstart` (half an hour) or "
        "`accelerate launch launch/sft.py`, name one in ADAPTER_PATH, or set USE_FINETUNED=false for the base model"
    ) from missing


def _spec(settings: Settings, run: Run | None) -> ModelSpec:
    """How to load the base model: as the run says, where the settings say nothing else."""
    spec = ModelSpec() if run is None else run_spec(run)
    if settings.base_model is not None:
        spec = ModelSpec(settings.base_model)
    if settings.base_revision is not None:
        spec = replace(spec, revision=settings.base_revision)
    if settings.quantization is not None:
        spec = replace(spec, quantization=settings.quantization)
    return replace(spec, trust_remote_code=settings.trust_remote_code)


def _name(run: Run | None, adapter: Path | None) -> str | None:
    if run is not None:
        return run.id
    return None if adapter is None else adapter.resolve().name
