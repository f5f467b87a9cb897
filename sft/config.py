"""Settings of stage 1. Defaults follow the guide (LoRA rank 32, 5 epochs) where nothing better was measured.

The guide's advice is here as knobs. Memory: ``per_device_train_batch_size`` down, ``gradient_accumulation_steps`` up.
Speed: ``num_train_epochs`` 3. Overfitting: ``learning_rate`` down, ``weight_decay`` 0.01. Capacity: ``lora_r`` 64.
"""

from dataclasses import dataclass, field
from typing import Literal

from trl import SFTConfig

from data.examples import OnInvalid
from models.arguments import TrainerDefaults


@dataclass
class SftConfig(TrainerDefaults, SFTConfig):
    """TRL's ``SFTConfig`` with the defaults of this task; every field of TRL stays a recipe key."""

    train_file: str | None = field(
        default=None, metadata={"help": "Chat file (JSONL) to train on; the project's own 302 examples without it."}
    )
    validation_file: str | None = field(
        default=None, metadata={"help": "Chat file to evaluate on while training; the project's own 15 without it."}
    )
    on_invalid: OnInvalid = field(
        default="stop",
        metadata={
            "help": "What to do with rows that break a rule or cannot be read: stop and list them, drop them, or keep "
            "those that can be read."
        },
    )
    num_train_epochs: float = field(default=5, metadata={"help": "Times through the examples."})
    learning_rate: float = field(
        default=5e-4, metadata={"help": "Peak learning rate. LoRA bears, and needs, about ten times a full tuning's."}
    )
    warmup_steps: float = field(default=0.05, metadata={"help": "Steps of warm-up; below 1, a share of all steps."})
    weight_decay: float = field(default=0.0, metadata={"help": "Pull of the adapters' weights towards zero."})
    per_device_train_batch_size: int = field(default=4, metadata={"help": "Examples a step on each device."})
    per_device_eval_batch_size: int = field(default=16, metadata={"help": "Examples at once in evaluation."})
    seed: int = field(default=0, metadata={"help": "Of the adapters' first weights and of the order of examples."})
    logging_steps: float = field(default=10, metadata={"help": "Steps between two lines of the log."})
    eval_strategy: Literal["no", "steps", "epoch"] = field(
        default="epoch", metadata={"help": "When to evaluate: epoch, steps or no."}
    )
    save_strategy: Literal["no", "steps", "epoch", "best"] = field(
        default="epoch", metadata={"help": "When to save a checkpoint: as eval_strategy."}
    )

    def __post_init__(self) -> None:
        """Check what belongs together, then let TRL and transformers do theirs.

        Raises:
            ValueError: names the key.
        """
        self.settle()
        # Rows carry different numbers of answer tokens; one process's share must not weigh as much as another's.
        self.average_tokens_across_devices = True
        super().__post_init__()
