import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from trl import SFTConfig, SFTTrainer

from data.reading import Reading
from data.source import source_notices
from eval.callback import NoticeEvaluation, selection
from eval.measure import MEASURES
from models.rows import answer_rows
from models.tiny import tiny_model, tiny_tokenizer
from models.trie import pack_trainer
from rewards.rubric import Rubric
from rewards.verdict import RULES

READINGS = (Reading(10, 17), Reading(3, -4))


def trained(folder: Path, *, packed: bool, judged: bool, rubric: Rubric | None = None) -> tuple[Any, Any]:
    """Two epochs of three steps with dropout; evaluated after each."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    model = get_peft_model(
        tiny_model(len(tokenizer)),
        LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0 if packed else 0.2),
    )
    rows = answer_rows(tokenizer, [(notice.reading, notice.text) for notice in source_notices("train")[:6]])
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(folder),
            num_train_epochs=2,
            per_device_train_batch_size=2,
            learning_rate=1e-2,
            logging_steps=1,
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=judged,
            metric_for_best_model="selection" if judged else None,
            greater_is_better=True if judged else None,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            max_length=None,
        ),
        train_dataset=rows,
        eval_dataset=rows.select(range(2)),
        processing_class=tokenizer,
    )
    if packed:
        pack_trainer(trainer)
    callback = None
    if judged:
        callback = NoticeEvaluation(trainer, tokenizer, READINGS, max_new_tokens=4, rubric=rubric or Rubric())
        trainer.add_callback(callback)
    trainer.train()
    return trainer, callback


def losses(trainer: Any) -> list[tuple[int, str, float]]:
    lines = trainer.state.log_history
    return [
        (line["step"], key, line[key]) for line in lines for key in ("loss", "grad_norm", "eval_loss") if key in line
    ]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_training_goes_on_as_if_it_had_not_been_watched(packed: bool, tmp_path: Path) -> None:
    watched, callback = trained(tmp_path / "watched", packed=packed, judged=True)
    alone, _ = trained(tmp_path / "alone", packed=packed, judged=False)
    assert losses(watched) == losses(alone)
    assert len(losses(alone)) == 6 + 6 + 2
    assert [record.reading for record in callback.records] == list(READINGS)
    assert all(0 < record.answers[0].tokens <= 4 for record in callback.records)


def test_the_best_checkpoint_is_chosen_by_selection_and_the_log_holds_every_measure(tmp_path: Path) -> None:
    trainer, callback = trained(tmp_path, packed=False, judged=True)
    lines = [line for line in trainer.state.log_history if "eval_selection" in line]
    assert [line["step"] for line in lines] == [3, 6]
    rates = {f"eval_validation/{name}/pass_rate" for name in MEASURES if name != "overall"}
    expected = rates | {"eval_validation/overall", "eval_pass_rate", "eval_selection"}
    assert set(lines[0]) == expected | {"step", "epoch"}
    # Four tokens make no notice: nothing passes, so the lower loss decides.
    assert lines[0]["eval_validation/overall"] == lines[0]["eval_pass_rate"] == 0
    found = {line["step"]: line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line}
    best = min(found, key=lambda step: found[step])
    assert trainer.state.best_global_step == best
    assert trainer.state.best_metric == pytest.approx(selection(0, found[best]))
    state = json.loads((tmp_path / "checkpoint-6" / "trainer_state.json").read_text(encoding="utf-8"))
    assert any("eval_validation/delta/pass_rate" in line for line in state["log_history"])
    assert callback.records[0].answers[0].verdict.failed <= set(RULES)


def test_the_rubric_that_was_given_judges(tmp_path: Path) -> None:
    key = "eval_validation/length/pass_rate"
    for shortest, passed in ((0, 1), (40, 0)):
        trainer, _ = trained(tmp_path / str(shortest), packed=False, judged=True, rubric=Rubric(min_chars=shortest))
        assert [line[key] for line in trainer.state.log_history if key in line] == [passed, passed]


class Trainer:
    """As much of a trainer as a metric without ``eval_loss`` reaches: nothing."""


def test_an_evaluation_of_another_dataset_is_passed_over() -> None:
    callback = NoticeEvaluation(Trainer(), None, READINGS)
    metrics = {"eval_other_loss": 1.0}
    callback.on_evaluate(None, None, None, metrics=metrics)
    assert metrics == {"eval_other_loss": 1.0}
    assert callback.records == ()


def test_without_readings_there_is_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="no readings"):
        NoticeEvaluation(Trainer(), None, ())


def test_selection_puts_notices_before_loss() -> None:
    assert selection(3, 0.0) == 3.5
    assert selection(3, 1.0) == pytest.approx(3.25)
    assert selection(3, -1.0) == pytest.approx(3.75)
    order = [selection(2, 1e9), selection(2, 5.0), selection(2, 4.999), selection(2, -7.0), selection(3, 1e9)]
    assert order == sorted(set(order))
    assert math.isnan(selection(3, math.nan))  # never greater than any, so never the best
