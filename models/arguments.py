"""Settings that both training stages share: the trainer's, the base model, and where and how a run is kept."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from models.dtype import DtypeName, usual_dtype
from models.embedded import EMBEDDED_NAME
from models.load import ModelSpec
from models.quantize import Quantization
from models.vocabulary import Vocabulary

Packing = Literal["trie", "none"]
TrackingMode = Literal["auto", "online", "offline", "disabled"]

PACKING_HELP = (
    "trie: every token that rows of a batch share is computed once, exactly; none: TRL as it is. What the model or the "
    "other settings rule out is said at the start."
)


@dataclass
class TrainerDefaults:
    """What both stages set alike in TRL's configurations; stands before ``SFTConfig`` or ``DPOConfig`` as a base."""

    packing: Packing = field(default="trie", metadata={"help": PACKING_HELP})
    token_budget: int = field(
        default=8192,
        metadata={
            "help": "Distinct tokens computed at once with packing: trie; a batch with more is computed in parts, each "
            "a second time in the backward pass. Lower it when memory is short: the numbers stay the same."
        },
    )
    vocabulary: Vocabulary | None = field(
        default=None,
        metadata={
            "help": "task: the head knows only the words a notice can need, in training and decoding, which is faster "
            "on a CPU; full: all of them. Without it full, or what the SFT run had."
        },
    )
    lr_scheduler_type: str = field(default="linear", metadata={"help": "Course of the learning rate after warm-up."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Longest gradient; longer ones are scaled down."})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Batches gathered for one step."})
    max_length: int | None = field(default=None, metadata={"help": "Longest row in tokens; a longer one is an error."})
    generate_validation: bool = field(
        default=True,
        metadata={"help": "Write and judge validation notices at every evaluation, and choose the best checkpoint."},
    )
    bf16: bool | None = field(default=False, metadata={"help": "Autocast; see dtype for the frozen weights."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Trade time for memory."})
    dataloader_pin_memory: bool = field(default=torch.cuda.is_available())
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept: the newest and the best."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "End with the best checkpoint."})
    metric_for_best_model: str | None = field(
        default=None, metadata={"help": "Default: notices that pass every rule, then the loss."}
    )
    greater_is_better: bool | None = field(default=None)
    hub_strategy: str = field(
        default="end", metadata={"help": "With push_to_hub: upload the adapter and its card once, at the end."}
    )
    use_cpu: bool = field(
        default=not torch.cuda.is_available(), metadata={"help": "Train on the CPU in spite of a GPU."}
    )

    def settle(self) -> None:
        """Check what belongs together and fill in what follows from it; for ``__post_init__``, before TRL's own.

        Raises:
            ValueError: names the key.
        """
        if self.packing not in ("trie", "none"):
            raise ValueError(f"packing: {self.packing!r} is neither trie nor none")
        if self.token_budget < 1:
            raise ValueError(f"token_budget must be at least 1, got {self.token_budget}")
        if getattr(self, "eval_strategy", None) == "no" and self.load_best_model_at_end:
            raise ValueError("eval_strategy: no leaves nothing to choose by: set load_best_model_at_end: false")
        if self.metric_for_best_model is None:
            self.metric_for_best_model = "selection" if self.generate_validation else "loss"
            self.greater_is_better = self.generate_validation


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
    dtype: DtypeName | None = field(
        default=None,
        metadata={
            "help": "Of the frozen weights; adapters are always trained in float32. Without it bfloat16, or float32 "
            "on a CPU whose bfloat16 products are slow (timed at the start)."
        },
    )

    def __post_init__(self) -> None:
        self.dtype = self.dtype or usual_dtype()

    def spec(self, trust_remote_code: bool = False) -> ModelSpec:
        """What :func:`models.load.load_base` takes."""
        assert self.dtype is not None
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

    threads: int | None = field(
        default=None,
        metadata={"help": "CPU threads; without it OMP_NUM_THREADS, or every core where accelerate allows but one."},
    )

    recipe_name: str | None = field(default=None, init=False)
    """The recipe file as a person would name it, e.g. ``tiny-random/sft``; None without one. The parser sets it."""

    @property
    def folder(self) -> Path:
        """``runs_dir`` as a path."""
        return Path(self.runs_dir)
