"""Settings that both training stages share: the base model, and where and how a run is kept."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.embedded import EMBEDDED_NAME
from models.load import DtypeName, ModelSpec
from models.quantize import Quantization

Packing = Literal["trie", "none"]
TrackingMode = Literal["auto", "online", "offline", "disabled"]

PACKING_HELP = (
    "trie: every token that rows of a batch share is computed once, exactly; none: TRL as it is. What the model or the "
    "other settings rule out is said at the start."
)


@dataclass
class ModelArguments:
    """Which base model, and how to load it."""

    base_model: str = field(
        default=EMBEDDED_NAME,
        metadata={"help": f"{EMBEDDED_NAME} (comes as a package), tiny-random, a local folder or a model hub id."},
    )
    base_revision: str | None = field(default=None, metadata={"help": "Commit, tag or branch of a hub model."})
    quantization: Quantization = field(
        default="none", metadata={"help": "4bit (NF4) or 8bit through bitsandbytes, for large models on a GPU."}
    )
    dtype: DtypeName = field(
        default="bfloat16", metadata={"help": "Of the frozen weights; adapters are always trained in float32."}
    )

    def spec(self, trust_remote_code: bool = False) -> ModelSpec:
        """What :func:`models.load.load_base` takes."""
        return ModelSpec(self.base_model, self.base_revision, trust_remote_code, self.quantization, self.dtype)


@dataclass
class RunArguments:
    """Where a run is kept and how it is watched."""

    runs_dir: str = field(
        default_factory=lambda: os.environ.get("ONDO_RUNS") or "runs",
        metadata={"help": "Folder of all runs; $ONDO_RUNS names another."},
    )
    resume: str | None = field(
        default=None, metadata={"help": "Directory of an interrupted run: go on from its last checkpoint."}
    )
    dry_run: bool = field(
        default=False, metadata={"help": "Read, judge and count everything, say what would be trained, write nothing."}
    )
    tracking: TrackingMode = field(
        default="auto",
        metadata={
            "help": "W&B: auto takes WANDB_MODE, else online when a key is found without asking and the host answers, "
            "else offline."
        },
    )

    @property
    def folder(self) -> Path:
        """``runs_dir`` as a path."""
        return Path(self.runs_dir)
