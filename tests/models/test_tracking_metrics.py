"""One set of names for both stages."""

from types import SimpleNamespace

import pytest

from models.tracking.metrics import Pace, TrackingCallback, final_metrics, peak_memory, speeds, wandb_names


class Told:
    """Takes what a Tracking would send."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, float]]] = []

    def known_step(self):
        return 2

    def log(self, metrics, step):
        self.lines.append((step, dict(metrics)))


def test_names_are_the_same_in_every_stage() -> None:
    logs = {
        "loss": 1.0,
        "rewards/margins": 0.5,
        "dpo/margin/delta_sum": 0.25,
        "dpo/chosen_logp_shift": -1,
        "eval_loss": 2.0,
        "eval_dpo/margin/delta_sum": 0.125,
        "eval_validation/overall": 0.75,
        "eval_validation/delta/pass_rate": 0.5,
        "train_runtime": 9.0,
        "total_flos": 1e9,
        "note": "no number",
        "flag": True,
    }
    assert wandb_names(logs) == {
        "train/loss": 1.0,
        "train/rewards/margins": 0.5,
        "dpo/margin/delta_sum": 0.25,
        "dpo/chosen_logp_shift": -1,
        "eval/loss": 2.0,
        "eval/dpo/margin/delta_sum": 0.125,
        "eval/validation/overall": 0.75,
        "eval/validation/delta/pass_rate": 0.5,
    }


HISTORY = [
    {"loss": 2.0, "step": 5},
    {"eval_loss": 1.5, "eval_dpo/chosen_logp_shift": -2.0, "step": 10},
    {"eval_pass_rate": 0.4, "eval_validation/overall": 0.4, "eval_validation/delta/pass_rate": 0.6, "step": 10},
    {"loss": 1.0, "step": 15},
    {"eval_loss": 1.7, "step": 20},
    {"eval_validation/overall": 0.2, "step": 20},
    {"train_loss": 1.5, "step": 20},
]


def test_the_final_figures_are_those_of_the_checkpoint_that_was_kept() -> None:
    assert final_metrics(HISTORY, 10) == {
        "final/train/loss": 1.0,
        "final/eval/loss": 1.5,
        "final/dpo/chosen_logp_shift": -2.0,
        "final/validation/overall": 0.4,
        "final/validation/delta/pass_rate": 0.6,
    }
    last = final_metrics(HISTORY, None)
    assert (last["final/eval/loss"], last["final/validation/overall"]) == (1.7, 0.2)


def test_speeds_are_of_the_work_alone() -> None:
    pace = Pace()
    pace.add(8, 2.0)
    pace.tokens = 100
    first = pace.look()
    assert (first["perf/items_per_s"], first["perf/tokens_per_s"]) == (4.0, 50.0)
    pace.add(4, 4.0)
    assert pace.look()["perf/items_per_s"] == 1.0
    total = pace.total()
    assert (total["final/perf/items_per_s"], total["final/perf/seconds"]) == (2.0, 6.0)
    assert pace.manifest() | {"peak_memory_gib": 0} == {
        "items": 12, "tokens": 100, "seconds_at_work": 6.0, "peak_memory_gib": 0
    }  # fmt: skip
    assert set(speeds(0, 0, 0.0)) == {"perf/peak_memory"}
    assert 0 < peak_memory() < 1024


def test_the_callback_sends_at_the_trainers_step_and_counts_rows_and_tokens(monkeypatch) -> None:
    clock = iter([10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr("models.tracking.metrics.time.monotonic", lambda: next(clock))
    told = Told()
    callback = TrackingCallback(told)
    loader = SimpleNamespace(dataset=range(10))
    state = SimpleNamespace(epoch=0.0, global_step=0)
    callback.on_train_begin(None, state, None)
    for step, epoch in ((1, 0.4), (2, 1.0)):  # four rows, then the six that are left, each step after a pause
        callback.on_step_begin(None, state, None)
        state.global_step, state.epoch = step, epoch
        callback.on_step_end(None, state, None, train_dataloader=loader)
    callback.on_log(None, state, None, logs={"loss": 1.0, "num_tokens": 90})
    callback.on_log(None, state, None, logs={"eval_loss": 1.0})
    callback.on_log(None, state, None, logs={"train_runtime": 1.0})
    (first, line), (_, evaluated) = told.lines
    assert first == 2
    assert line["perf/items_per_s"] == pytest.approx(10 / 3)
    assert line["perf/tokens_per_s"] == 30
    assert evaluated == {"eval/loss": 1.0}
    assert callback.pace.items == 10


def test_a_resumed_training_sends_what_was_lost_before_the_kill() -> None:
    told = Told()
    history = [{"loss": 3.0, "step": 1}, {"loss": 2.0, "step": 2}, {"loss": 1.0, "epoch": 0.3, "step": 3}]
    TrackingCallback(told).on_train_begin(None, SimpleNamespace(epoch=0.3, global_step=3, log_history=history), None)
    assert told.lines == [(3, {"train/loss": 1.0, "train/epoch": 0.3})]
