"""The short line beside the progress bar."""

from types import SimpleNamespace

from models.progress import ShortProgress, short_line


def test_followed_metrics_are_named_for_a_reader():
    logs = {"loss": 0.693147, "grad_norm": 3.0, "rewards/margins": 0.0, "logits/chosen": 1.0, "epoch": 0.5}
    assert short_line(logs) == "loss 0.6931  margin 0  epoch 0.5"
    assert short_line({"eval_loss": 2.0, "eval_pass_rate": 1 / 3, "epoch": 1}) == (
        "validation loss 2  notices that pass 0.3333  epoch 1"
    )
    # transformers 5 hands over some values as text
    assert short_line({"loss": "1.2", "learning_rate": "1e-05"}) == "loss 1.2  learning rate 1e-05"


def test_a_log_without_any_is_passed_over():
    assert short_line({}) == ""
    assert short_line({"epoch": 1.0}) == ""
    assert short_line({"train_runtime": 3.0, "epoch": 1.0}) == ""


def test_the_line_goes_above_the_bar_of_the_first_process_only():
    written = []
    progress = ShortProgress()
    progress.training_bar = SimpleNamespace(write=written.append)
    for zero in (True, False):
        progress.on_log(None, SimpleNamespace(is_world_process_zero=zero), None, logs={"loss": 1.0})
    progress.on_log(None, SimpleNamespace(is_world_process_zero=True), None, logs={"epoch": 1.0})
    assert written == ["loss 1"]
