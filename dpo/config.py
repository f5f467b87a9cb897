"""Settings of stage 2. Every loss and option of TRL's ``DPOConfig`` stays a recipe key."""

from dataclasses import dataclass, field
from typing import Literal

from trl import DPOConfig

from models.arguments import TrainerDefaults

LOSSES = (
    *("sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired"),
    *("apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"),
)
"""TRL's own losses; it says which they are only at the first step, after the model was loaded."""


@dataclass
class DpoConfig(TrainerDefaults, DPOConfig):
    """TRL's ``DPOConfig`` with the defaults of this task.

    The default loss is DPO's sigmoid (Rafailov et al. 2023, arXiv:2305.18290) with the negative log-likelihood of the
    chosen notice beside it (Pang et al. 2024, arXiv:2404.19733): pairs that differ in a few tokens make plain DPO push
    the chosen notice down with the rejected one (Pal et al. 2024, arXiv:2402.13228).
    """

    sft: str | None = field(default=None, metadata={"help": "SFT run to go on from; without it the newest one."})
    pairs: str | None = field(
        default=None, metadata={"help": "Pair file (JSONL) as launch/synthesize.py writes it; made anew without it."}
    )
    per_example: int = field(default=4, metadata={"help": "Pairs an example when they are made here; 0: every fault."})
    pool: int = field(
        default=900,
        metadata={
            "help": "Cells of the pool to add: a written notice is moved to each, with its own figure, and judged. "
            "More cells teach subtraction better and take longer (all: 1699)."
        },
    )
    per_pool_cell: int = field(default=1, metadata={"help": "Pairs a pool cell: wrong figures and directions."})
    faults: list[str] | None = field(default=None, metadata={"help": "Faults to draw from; all of them without it."})
    loss_type: list[str] = field(
        default_factory=lambda: ["sigmoid", "sft"],
        metadata={"help": "One or more of TRL's losses; loss_weights weighs them (1 each without it)."},
    )
    beta: float = field(default=0.1, metadata={"help": "How closely the policy is held to the reference."})
    num_train_epochs: float = field(default=1, metadata={"help": "Times through the pairs. Two tend to overfit."})
    learning_rate: float = field(
        default=2e-4, metadata={"help": "Peak learning rate; 5e-5, a tenth of SFT's, did as well (docs/results.md)."}
    )
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps of warm-up; below 1, a share of all steps."})
    per_device_train_batch_size: int = field(
        default=24, metadata={"help": "Pairs a step on each device; a multiple of per_example lets prompts stay whole."}
    )
    per_device_eval_batch_size: int = field(default=24, metadata={"help": "Pairs at once in evaluation."})
    seed: int = field(default=0, metadata={"help": "Of the pairs that are made and of their order."})
    chosen_logp_limit: float = field(
        default=5.0,
        metadata={
            "help": "Warn when the chosen notices' log-probability sinks below the reference by more nats than this."
        },
    )
    precompute_ref_log_probs: bool = field(
        default=True, metadata={"help": "Compute the reference once; ondo needs it so, and keeps it on disk."}
    )
    logging_steps: float = field(default=5, metadata={"help": "Steps between two lines of the log."})
    eval_strategy: Literal["no", "steps", "epoch"] = field(
        default="steps", metadata={"help": "When to evaluate: epoch, steps or no."}
    )
    eval_steps: float | None = field(default=0.25, metadata={"help": "Steps between; below 1, a share of all steps."})
    save_strategy: Literal["no", "steps", "epoch", "best"] = field(
        default="steps", metadata={"help": "When to save a checkpoint: as eval_strategy."}
    )
    save_steps: float = field(default=0.25, metadata={"help": "Steps between; below 1, a share of all steps."})

    def __post_init__(self) -> None:
        """Check what belongs together, then let TRL and transformers do theirs.

        Raises:
            ValueError: names the key.
        """
        self.settle()
        if self.per_example < 0:
            raise ValueError(f"per_example must be at least 0, got {self.per_example}")
        if self.pool < 0 or self.per_pool_cell < 1:
            raise ValueError("pool must be at least 0 and per_pool_cell at least 1")
        if self.pairs is not None and self.faults is not None:
            raise ValueError("faults: chooses what is made; the pairs of a file are made already")
        unknown = sorted({*self.loss_type} - {*LOSSES})
        if unknown or not self.loss_type:
            told = f"{', '.join(unknown)} is no loss" if unknown else "expected one loss at least"
            raise ValueError(f"loss_type: {told}; TRL has {', '.join(LOSSES)}")
        if not self.precompute_ref_log_probs:
            raise ValueError("precompute_ref_log_probs: false is not possible: margins per fault need the reference")
        if "robust" in self.loss_type and not 0 <= self.label_smoothing < 0.5:
            raise ValueError(f"label_smoothing: {self.label_smoothing:g} does not go with the loss robust: 0 to 0.5")
        if "exo_pair" in self.loss_type and self.label_smoothing <= 0:
            raise ValueError("label_smoothing: the loss exo_pair needs one above 0; its paper recommends 1e-3")
        if self.loss_weights is not None and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(f"loss_weights: expected {len(self.loss_type)}, one for each of loss_type")
        if self.sync_ref_model:
            raise ValueError("sync_ref_model: true moves the reference, which is computed once")
        super().__post_init__()
