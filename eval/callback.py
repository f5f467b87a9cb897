"""Notices judged while training: at every evaluation of the trainer, with the model as it is at that step.

Transformers' ``Trainer.evaluate`` logs its own metrics, then calls ``on_evaluate`` with the dictionary that it returns,
and from that dictionary the best checkpoint is chosen. So what is added to it here decides; what is logged here stands
in a line of its own beside the loss.
"""

import math
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from data.reading import Reading
from eval.evaluate import write_records
from eval.measure import OVERALL
from eval.record import Generation, Record
from eval.summary import flat_metrics, rates
from models.memory import give_back
from models.processes import broadcast
from rewards.rubric import DEFAULT_RUBRIC, Rubric


class NoticeEvaluation(TrainerCallback):
    """Generates greedy notices for some readings at every evaluation and judges them.

    Adds to the trainer's metrics ``eval_pass_rate`` (share of notices that pass every rule) and ``eval_selection``
    (see :func:`selection`), for ``metric_for_best_model: selection``. Logs both, and each measure under the keys of
    :func:`eval.summary.flat_metrics`. The training goes on as if nothing had happened: generation leaves weights, mode
    and random state alone. With several processes the first one generates and the others wait.

    An evaluation without ``eval_loss`` (one of several datasets, each under its own prefix) is passed over.

    Args:
        trainer: whose model writes and whose log is used.
        tokenizer: of that model.
        readings: what is written for; usually the validation cells.
        max_new_tokens: after so many a notice is cut off.
        rubric: the limits the notices are judged by.
        split: name of the readings in the keys.

    Attributes:
        records: the notices and verdicts of the last evaluation; empty before the first.
    """

    def __init__(
        self,
        trainer: Any,
        tokenizer: Any,
        readings: Sequence[Reading],
        max_new_tokens: int = Generation.max_new_tokens,
        rubric: Rubric = DEFAULT_RUBRIC,
        split: str = "validation",
    ) -> None:
        if not readings:
            raise ValueError("no readings to write notices for")
        self.trainer, self.tokenizer, self.readings = trainer, tokenizer, tuple(readings)
        self.generation = Generation(max_new_tokens=max_new_tokens)
        self.rubric, self.split = rubric, split
        self.records: tuple[Record, ...] = ()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write, judge, add to ``metrics``, log."""
        metrics: dict[str, float] = kwargs["metrics"]
        if "eval_loss" not in metrics:
            return
        self.records = broadcast(
            lambda: write_records(self.trainer.model, self.tokenizer, self.readings, self.generation, self.rubric)
        )
        give_back()
        found = rates(self.records)
        overall = found[OVERALL]
        metrics["eval_pass_rate"] = overall.rate
        metrics["eval_selection"] = selection(round(overall.passed), metrics["eval_loss"])
        # models.tracking.metrics shows a key that begins with eval_ below eval/.
        flat = {key.replace("eval/", "eval_", 1): value for key, value in flat_metrics(found, self.split).items()}
        self.trainer.log({"eval_pass_rate": overall.rate, "eval_selection": metrics["eval_selection"], **flat})


def selection(passed: int, loss: float) -> float:
    """One number that orders checkpoints by notices passed, and among equals by the lower loss.

    ``passed`` plus a part in 0..1 that falls with the loss: 1/2 - atan(loss) / pi, which holds for any loss, also the
    preference losses that go below 0.
    """
    return passed + 0.5 - math.atan(loss) / math.pi
