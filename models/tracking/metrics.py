"""From what a trainer logs to W&B's names, with the speed of the work beside it: one callback for both stages.

transformers' own W&B callback puts every metric it does not know below ``train/``, writes its flat configuration over
ours and defines its axis by a pattern; so it is not used.
"""

import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
from transformers import TrainerCallback

from models.tracking.run import Tracking

_OURS = ("dpo/", "perf/")
_LAST = {"train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos"}
"""What the trainer logs once, at the end; :func:`final_metrics` has what is wanted of it."""


def wandb_names(logs: Mapping[str, Any]) -> dict[str, float]:
    """A line of the trainer's log under W&B's names; what is no number is left out.

    ``eval_x`` becomes ``eval/x``; ``dpo/`` and ``perf/`` stand as they are; everything else goes below ``train/``.
    """
    named = {}
    for key, value in logs.items():
        if key in _LAST or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if key.startswith("eval_"):
            key = f"eval/{key.removeprefix('eval_')}"
        elif not key.startswith(_OURS):
            key = f"train/{key}"
        named[key] = value
    return named


def final_metrics(history: list[dict[str, Any]], best_step: int | None) -> dict[str, float]:
    """The ``final/`` entries of a training from the trainer's log.

    Of the validation, and of the chosen notices' shift there, those at the step whose checkpoint was kept; the last
    ones when none was chosen.
    """
    final: dict[str, float] = {}
    for line in history:
        named = wandb_names(line)
        if "train/loss" in named:
            final["final/train/loss"] = named["train/loss"]
        if best_step is not None and line.get("step") != best_step:
            continue
        for key, value in named.items():
            if key == "eval/loss":
                final["final/eval/loss"] = value
            elif key == "eval/dpo/chosen_logp_shift":
                final["final/dpo/chosen_logp_shift"] = value
            elif key.startswith("eval/") and key.count("/") > 1 and key.endswith(("/pass_rate", "/overall")):
                final[key.replace("eval/", "final/", 1)] = value
    return final


def peak_memory() -> float:
    """GiB at the highest so far: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 2**30 if sys.platform == "darwin" else kib / 2**20


class Pace:
    """Items and tokens by seconds of work, since the start and since the last look; waiting is not counted."""

    def __init__(self) -> None:
        self.items = self.seconds = 0.0
        self.tokens = 0
        self._before = (0.0, 0, 0.0)

    def add(self, items: float, seconds: float) -> None:
        """So many items took so long."""
        self.items += items
        self.seconds += seconds

    def look(self) -> dict[str, float]:
        """The speed since the last look."""
        items, tokens, seconds = self._before
        self._before = (self.items, self.tokens, self.seconds)
        return speeds(self.items - items, self.tokens - tokens, self.seconds - seconds)

    def total(self) -> dict[str, float]:
        """The ``final/perf/`` entries."""
        found = {**speeds(self.items, self.tokens, self.seconds), "perf/seconds": self.seconds}
        return {f"final/{key}": value for key, value in found.items()}

    def manifest(self) -> dict[str, float]:
        """The same for a manifest."""
        return {
            "items": round(self.items),
            "tokens": self.tokens,
            "seconds_at_work": round(self.seconds, 1),
            "peak_memory_gib": round(peak_memory(), 2),
        }


def speeds(items: float, tokens: int, seconds: float) -> dict[str, float]:
    """The ``perf/`` metrics of some work; speeds are left out where nothing was done."""
    found = {"perf/peak_memory": peak_memory()}
    if seconds > 0:
        found |= {f"perf/{name}_per_s": n / seconds for name, n in (("items", items), ("tokens", tokens)) if n}
    return found


class TrackingCallback(TrainerCallback):
    """Sends what the trainer logs, with the speed of the steps since the line before.

    Attributes:
        pace: items, tokens and seconds of the whole training, evaluations not counted.
    """

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.pace = Pace()
        self._began = self._epoch = 0.0
        self._tokens = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Remember where a resumed training goes on, and send what W&B lost between its last line and the kill."""
        self._epoch = state.epoch or 0.0
        if state.global_step:
            known = self.tracking.known_step()
            for line in state.log_history:
                named = wandb_names({key: value for key, value in line.items() if key != "step"})
                if known < line["step"] and named:
                    self.tracking.log(named, line["step"])

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Stop it; the rows of a step are its share of the epoch."""
        rows = (state.epoch - self._epoch) * len(more["train_dataloader"].dataset)
        self._epoch = state.epoch
        self.pace.add(rows, time.monotonic() - self._began)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Send a line."""
        named = wandb_names(logs or {})
        if "train/loss" in named:
            tokens = int(named.get("train/num_tokens", 0))
            self.pace.tokens += max(0, tokens - self._tokens)
            self._tokens = tokens
            named |= self.pace.look()
        if named:
            self.tracking.log(named, state.global_step)
