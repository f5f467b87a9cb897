"""Settings of stage 1. Defaults follow the guide (LoRA rank 32, 5 epochs) where nothing better was measured.

The guide's advice is here as knobs. Memory: ``per_device_train_batch_size`` down, ``gradient_accumulation_steps`` up.
Speed: ``num_train_epochs`` 3. Overfitting: ``learning_rate`` down, ``weight_decay`` 0.01. Capacity: ``lora_r`` 64.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from trl import SFTConfig

from data.examples import OnInvalid
from models.arguments import PACKING_HELP, Packing


@dataclass
class SftConfig(SFTConfig):
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
    packing: Packing = field(default="trie", metadata={"help": PACKING_HELP})
    num_train_epochs: float = field(default=5, metadata={"help": "Times through the examples."})
    learning_rate: float = field(
        default=5e-4, metadata={"help": "Peak learning rate. LoRA bears, and needs, about ten times a full tuning's."}
    )
    lr_scheduler_type: str = field(default="linear", metadata={"help": "Course of the learning rate after warm-up."})
    warmup_steps: float = field(default=0.05, metadata={"help": "Steps of warm-up; below 1, a share of all steps."})
    weight_decay: float = field(default=0.0, metadata={"help": "Pull of the adapters' weights towards zero."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Longest gradient; longer ones are scaled down."})
    per_device_train_batch_size: int = field(default=4, metadata={"help": "Examples a step on each device."})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Batches gathered for one step."})
    per_device_eval_batch_size: int = field(default=16, metadata={"help": "Examples at once in evaluation."})
    seed: int = field(default=0, metadata={"help": "Of the adapters' first weights and of the order of examples."})
    max_length: int | None = field(default=None, metadata={"help": "Longest row in tokens; a longer one is an error."})
    generate_validation: bool = field(
        default=True,
        metadata={"help": "Write and judge validation notices at every evaluation, and choose the best checkpoint."},
    )
    bf16: bool | None = field(default=False, metadata={"help": "Autocast; the frozen weights are bfloat16 without it."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Trade time for memory."})
    dataloader_pin_memory: bool = field(default=torch.cuda.is_available())
    logging_steps: float = field(default=10, metadata={"help": "Steps between two lines of the log."})
    eval_strategy: Literal["no", "steps", "epoch"] = field(
        default="epoch", metadata={"help": "When to evaluate: epoch, steps or no."}
    )
    save_strategy: Literal["no", "steps", "epoch", "best"] = field(
        default="epoch", metadata={"help": "When to save a checkpoint: as eval_strategy."}
    )
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept: the newest and the best."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "End with the best checkpoint."})
    metric_for_best_model: str | None = field(
        default=None, metadata={"help": "Default: notices that pass every rule, then the loss."}
    )
    greater_is_better: bool | None = field(default=None)
    use_cpu: bool = field(
        default=not torch.cuda.is_available(), metadata={"help": "Train on the CPU in spite of a GPU."}
    )

    def __post_init__(self) -> None:
        """Check what belongs together, then let TRL and transformers do theirs.

        Raises:
            ValueError: names the key.
        """
        if self.packing not in ("trie", "none"):
            raise ValueError(f"packing: {self.packing!r} is neither trie nor none")
        if self.eval_strategy == "no" and self.load_best_model_at_end:
            raise ValueError("eval_strategy: no leaves nothing to choose by: set load_best_model_at_end: false")
        if self.metric_for_best_model is None:
            self.metric_for_best_model = "selection" if self.generate_validation else "loss"
            self.greater_is_better = self.generate_validation
        # Rows carry different numbers of answer tokens; one process's share must not weigh as much as another's.
        self.average_tokens_across_devices = True
        super().__post_init__()
