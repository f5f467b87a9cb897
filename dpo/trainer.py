"""TRL's ``DPOTrainer`` on our token rows, with margins, accuracies and chosen log-probs kept apart by fault.

The loss and all of TRL's metrics are TRL's own. Added is what a mean over all pairs hides: which faults the policy has
learnt to rank, and whether the chosen notices' own probability sinks (likelihood displacement, Razin et al. 2024,
arXiv:2410.08847). And the first batch is checked: before the first step policy and reference are the same model, so
margins are 0 and the sigmoid loss is ln 2; anything else means a wrong reference.
"""

import math
import sys
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.nn import functional
from trl import DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

FAULT, PAIR = "fault_id", "pair_id"
"""Columns of a row beside its tokens: number of its fault, and its own number in the dataset."""
SHIFT = "dpo/chosen_logp_shift"
"""Key of the log: mean log-ratio of chosen notices to the reference, in nats."""
_COLUMNS = ("count", "margin", "accuracy", "chosen_logp", "shift")

STEP_ZERO_NATS = {torch.float32: 1e-3, torch.bfloat16: 1.5, torch.float16: 0.5}
"""Largest log-probability of a notice, in nats, by which policy and reference may differ before the first step: what
rounding leaves when the same tokens are computed in another company. A wrong reference is tens of nats away."""


class WrongReferenceError(ValueError):
    """Policy and reference differ before the first step."""


class PairCollator(DataCollatorForPreference):
    """TRL's collator, with the numbers of the pairs and of their faults beside it, each of shape (B,)."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """One padded batch; see TRL."""
        batch: dict[str, Any] = super().torch_call(examples)
        for column in (FAULT, PAIR):
            batch[column] = torch.tensor([example[column] for example in examples])
        return batch


class _Watched:
    """A model that remembers the log-probs it gave last."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.log_probs = torch.empty(0)

    def __call__(self, **inputs: Any) -> Any:
        out = self.model(**inputs)
        self.log_probs = out.log_probs.detach()
        return out


class PairTrainer(DPOTrainer):
    """See the module.

    Args:
        faults: names of the faults; a row's ``fault_id`` counts them.
        chosen_logp_limit: nats by which the chosen notices may sink below the reference before a warning.
        **arguments: TRL's; datasets hold ``prompt_ids``, ``chosen_ids``, ``rejected_ids``, ``fault_id`` and
            ``pair_id``.

    Attributes:
        margins: margin of each validation pair at the last evaluation, by ``pair_id``.
    """

    def __init__(self, *, faults: Sequence[str], chosen_logp_limit: float, **arguments: Any) -> None:
        self.faults = tuple(faults)
        self.chosen_logp_limit = chosen_logp_limit
        self.margins: dict[int, float] = {}
        self._sums = {mode: self._empty() for mode in ("train", "eval")}
        self._checked = False
        super().__init__(**arguments)

    @property
    def displacement(self) -> dict[str, float] | None:
        """Step and shift of the first line of the log in which the chosen notices have sunk too far; None without one.

        The log goes into checkpoints, so a resumed training knows of it.
        """
        return displaced(self.state.log_history, self.chosen_logp_limit)

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """The rows are tokens already; TRL would ask for texts."""
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += [column for column in (FAULT, PAIR) if column not in self._signature_columns]

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """TRL's, without the numbers, which the model does not know."""
        known = {key: value for key, value in inputs.items() if key not in (FAULT, PAIR)}
        return super().compute_ref_log_probs(model, known)

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        inputs = dict(inputs)
        faults, pairs = inputs.pop(FAULT), inputs.pop(PAIR)
        watched = _Watched(model)
        result = super()._compute_loss(watched, inputs, return_outputs)
        self._note(faults, pairs, *log_ratios(watched.log_probs, inputs, self.ld_alpha))
        return result

    def _note(
        self,
        faults: torch.Tensor,
        pairs: torch.Tensor,
        chosen_logps: torch.Tensor,
        chosen: torch.Tensor,
        rejected: torch.Tensor,
    ) -> None:
        mode = "train" if self.model.training else "eval"
        if mode == "train" and not self._checked:
            self._checked = True
            if self.state.global_step == 0:
                check_step_zero(chosen, rejected, self.beta, self.accelerator.unwrap_model(self.model).dtype)
        margins = self.beta * (chosen - rejected)
        columns = (torch.ones_like(margins), margins, (margins > 0).to(margins), chosen_logps, chosen)
        values = torch.stack(columns, dim=1).double().cpu()
        self._sums[mode].index_add_(0, faults.cpu(), values)
        if mode == "eval":
            self.margins |= dict(zip(pairs.tolist(), margins.tolist(), strict=True))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """TRL's, with what was noted since the last line: per fault, and over all pairs."""
        mode = "train" if self.model.training else "eval"
        sums = self.accelerator.reduce(self._sums[mode].to(self.accelerator.device), "sum").cpu()
        self._sums[mode] = self._empty()
        noted = per_fault_metrics(self.faults, sums)
        if mode == "eval":
            self.margins = dict(gather_object(list(self.margins.items())))
        prefix = "eval_" if mode == "eval" else ""
        before = self.displacement
        super().log({**logs, **{prefix + key: value for key, value in noted.items()}}, start_time)
        found = self.displacement
        if found and not before and self.accelerator.is_main_process:
            print(displacement_warning(found["shift"], self.chosen_logp_limit, int(found["step"])), file=sys.stderr)

    def _empty(self) -> torch.Tensor:
        return torch.zeros(len(self.faults), len(_COLUMNS), dtype=torch.float64)


def log_ratios(
    log_probs: torch.Tensor, inputs: dict[str, Any], ld_alpha: float | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Chosen log-probs, and log-ratios to the reference of chosen and rejected, each of shape (B,), in nats.

    Args:
        log_probs: per token, shape (2B, L), chosen rows first.
        inputs: TRL's batch with ``completion_mask`` (2B, L + 1) and both reference log-probs (B,).
        ld_alpha: weight of the tokens beyond the shorter side's length (Liu et al. 2024, arXiv:2409.06411), or None.
    """
    mask = inputs["completion_mask"][:, 1:]
    weights = mask.to(log_probs)
    if ld_alpha is not None:
        chosen_length, rejected_length = mask.sum(1).chunk(2)
        shared = torch.minimum(chosen_length, rejected_length).repeat(2)
        weights = torch.where(mask.cumsum(1) > shared.unsqueeze(1), ld_alpha * weights, weights)
    chosen, rejected = (log_probs[:, -mask.shape[1] :] * weights).sum(1).chunk(2)
    return chosen, chosen - inputs["ref_chosen_logps"], rejected - inputs["ref_rejected_logps"]


def check_step_zero(chosen: torch.Tensor, rejected: torch.Tensor, beta: float, dtype: torch.dtype) -> None:
    """Make sure that the policy still is the reference: log-ratios (B,) are 0, so the sigmoid loss is ln 2.

    Raises:
        WrongReferenceError: they are not; the message gives the loss.
    """
    furthest = max(chosen.abs().max().item(), rejected.abs().max().item())
    if furthest <= STEP_ZERO_NATS.get(dtype, STEP_ZERO_NATS[torch.float32]):
        return
    loss = -functional.logsigmoid(beta * (chosen - rejected)).mean().item()
    raise WrongReferenceError(
        f"before the first step the sigmoid loss is {loss:.4f} instead of ln 2 = {math.log(2):.4f}, and a notice's "
        f"log-probability differs from its reference by up to {furthest:.2f} nats: the reference is not the "
        "SFT policy. Delete the cached reference log-probs and start again; if it stays so, it is a fault of ondo"
    )


def per_fault_metrics(faults: Sequence[str], sums: torch.Tensor) -> dict[str, float]:
    """Means from sums over pairs, shape (faults, 5): count, margin, accuracy, chosen log-prob, its shift.

    Faults without a pair are left out; without any pair the result is empty.
    """
    metrics: dict[str, float] = {}
    for name, row in zip(faults, sums.tolist(), strict=True):
        count = row[0]
        if count:
            metrics |= {
                f"dpo/{column}/{name}": value / count for column, value in zip(_COLUMNS[1:4], row[1:4], strict=True)
            }
    total = sums.sum(0).tolist()
    if total[0]:
        metrics[SHIFT] = total[4] / total[0]
    return metrics


def displaced(log: Sequence[dict[str, Any]], limit: float) -> dict[str, float] | None:
    """The first line of a log in which training pairs' chosen notices lie more than ``limit`` nats below the start."""
    for line in log:
        shift = line.get(SHIFT)
        if shift is not None and shift < -limit:
            return {"step": float(line["step"]), "shift": float(shift)}
    return None


def displacement_warning(shift: float, limit: float, step: int) -> str:
    """What to tell when the chosen notices sink."""
    return (
        f"ondo: warning: at step {step} the chosen notices are {-shift:.1f} nats less probable than under the "
        f"reference (limit: {limit:g}). DPO is pushing right answers down with wrong ones; judge the notices, not the "
        "margins, and consider a larger weight of the sft loss (loss_weights), a lower learning_rate or a higher beta"
    )
