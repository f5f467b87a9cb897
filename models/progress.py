"""The trainer's progress bar, with a short line a log; every metric stays in the run's history and in W&B."""

from typing import Any

from transformers import ProgressCallback

_SHOWN = {
    "loss": "loss",
    "eval_loss": "validation loss",
    "eval_pass_rate": "notices that pass",
    "rewards/margins": "margin",
    "rewards/accuracies": "pairs ranked right",
    "dpo/chosen_logp_shift": "chosen log-prob shift",
    "learning_rate": "learning rate",
    "epoch": "epoch",
}


class ShortProgress(ProgressCallback):
    """transformers' progress bar; what it says between steps is cut to what a reader follows."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write one line above the bar."""
        line = short_line(logs or {})
        if state.is_world_process_zero and self.training_bar is not None and line:
            self.training_bar.write(line)


def short_line(logs: dict[str, Any]) -> str:
    """The followed metrics of a log, named for a reader; empty when it holds none but the epoch."""
    shown = [f"{name} {_short(logs[key])}" for key, name in _SHOWN.items() if key in logs]
    return "  ".join(shown) if len(shown) > ("epoch" in logs) else ""


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
