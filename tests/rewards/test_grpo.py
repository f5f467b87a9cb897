"""The reward functions inside TRL's own trainer: one step on the tiny model."""

from pathlib import Path

import pytest
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from models.tiny import tiny_model, tiny_tokenizer
from rewards.trl import rule_rewards
from rewards.verdict import RULES


@pytest.mark.filterwarnings("ignore")
def test_one_step_of_grpo_logs_every_rule(tmp_path: Path) -> None:
    rows = [(10, 17), (30, 36)]
    data = Dataset.from_list(
        [
            {"prompt": [{"role": "user", "content": f"어제 {y}도, 오늘 {t}도"}], "yesterday": y, "today": t}
            for y, t in rows
        ]
    )
    options = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=8,
        report_to="none",
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    trainer = GRPOTrainer(
        model=model, reward_funcs=rule_rewards(), args=options, train_dataset=data, processing_class=tokenizer
    )
    trainer.train()
    logged = trainer.state.log_history[0]
    names = [*RULES, "all"]
    means = {name: logged[f"rewards/rule_{name}/mean"] for name in names}
    assert all(0 <= mean <= 1 for mean in means.values())
    assert means["all"] <= min(means[rule] for rule in RULES)
    assert means["length"] == 0  # eight tokens are no notice
