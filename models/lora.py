"""LoRA settings of a recipe. Hu et al. 2021, arXiv:2106.09685."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class LoraArguments:
    """What is trained: low-rank adapters on the base model's linear layers."""

    lora_r: int = field(
        default=32, metadata={"help": "Rank of the adapters. 64 trains twice the parameters, for more capacity."}
    )
    lora_alpha: int = field(
        default=64,
        metadata={"help": "Scale: the update is multiplied by lora_alpha / lora_r. Keep it at twice lora_r."},
    )
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout before the adapters, 0.0 to 0.2."})
    lora_target_modules: list[str] = field(
        default_factory=lambda: ["all-linear"],
        metadata={
            "help": "Layers that get an adapter: all-linear (every one but the head), or names like q_proj v_proj."
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: names the key.
        """
        if self.lora_r < 1:
            raise ValueError(f"lora_r must be at least 1, got {self.lora_r}")
        if not 0 <= self.lora_dropout < 1:
            raise ValueError(f"lora_dropout must be in 0..1, got {self.lora_dropout}")
        if not self.lora_target_modules:
            raise ValueError("lora_target_modules is empty: name at least one layer, or all-linear")

    def peft_config(self) -> Any:
        """PEFT's ``LoraConfig`` for a causal language model."""
        from peft import LoraConfig

        targets = self.lora_target_modules
        return LoraConfig(
            r=self.lora_r,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            target_modules=targets[0] if targets == ["all-linear"] else list(targets),
            task_type="CAUSAL_LM",
        )
