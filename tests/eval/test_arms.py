from typing import Any

import pytest

from eval.arms import mean_log, named, pooled, setting_rows
from tests.eval.gathered import gathered


def dpo(number: int, **more: Any) -> Any:
    return gathered(f"dpo-20260101-00000{number}-aaaaa{number}", [True], **more)


def names(*runs: Any) -> list[tuple[str, int]]:
    return [(arm.name, len(arm.runs)) for arm in pooled(runs)]


def test_runs_that_differ_in_the_seed_alone_are_one_arm() -> None:
    assert names(dpo(0, seed=0, beta=0.1), dpo(1, seed=1, beta=0.1), dpo(2, seed=0, beta=0.2)) == [
        ("dpo beta 0.1", 2),
        ("dpo beta 0.2", 1),
    ]


@pytest.mark.parametrize(
    "manifest",
    [
        {"weights_hash": "1" * 64},
        {"git": {"commit": "d" * 40, "dirty": False}},
        {"data": {"train": {"sha256": "x"}}},
        {"data": {"file": "pairs.jsonl", "sha256": "x"}},
        {"parent": "sft-1", "parent_adapter_sha256": "y"},
        {"prompt_hash": "z"},
    ],
)
def test_other_code_data_weights_or_parents_are_not_pooled(manifest: dict[str, Any]) -> None:
    first, other = dpo(0, seed=0), dpo(1, seed=1, manifest=manifest)
    assert names(first, other) == [("dpo aaaaa0", 1), ("dpo aaaaa1", 1)]


def test_pairs_made_from_the_seed_are_no_difference_but_a_file_is() -> None:
    made = [dpo(seed, seed=seed, manifest={"data": {"file": None, "sha256": str(seed)}}) for seed in (0, 1)]
    assert names(*made) == [("dpo", 2)]


def test_seeds_of_the_parents_do_not_count_but_their_settings_do() -> None:
    def with_parent(number: int, **recipe: Any) -> Any:
        from dataclasses import replace

        parent = {"stage": "sft", "recipe": recipe, "parent": None, "git": None}
        run = dpo(number, seed=number, sft=f"sft-{number}", manifest={"parent": f"sft-{number}"})
        return replace(run, parents=(parent,))

    assert names(with_parent(0, seed=0, lora_r=8), with_parent(1, seed=1, lora_r=8)) == [("dpo", 2)]
    assert [count for _, count in names(with_parent(0, lora_r=8), with_parent(1, lora_r=16))] == [1, 1]


def test_base_models_are_never_pooled() -> None:
    base = [gathered(f"base-20260101-00000{number}-bbbbb{number}", [True]) for number in (0, 1)]
    assert names(*base) == [("base bbbbb0", 1), ("base bbbbb1", 1)]


def test_names_say_what_tells_apart_or_the_run() -> None:
    many = {"beta": 0.1, "learning_rate": 1e-4, "pool": 5, "loss_type": ["sigmoid"]}
    other = {"beta": 0.2, "learning_rate": 2e-4, "pool": 6, "loss_type": ["hinge", "sft"]}
    assert [name for name, _ in names(dpo(0, **many), dpo(1, **other))] == ["dpo aaaaa0", "dpo aaaaa1"]
    few = names(dpo(0, beta=0.1, loss_type=["sigmoid"]), dpo(1, beta=0.1, loss_type=["hinge", "sft"]))
    assert [name for name, _ in few] == ["dpo loss_type sigmoid", "dpo loss_type hinge + sft"]
    mixed = named([[dpo(0)], [gathered("sft-20260101-000000-cccccc", [True])]])
    assert [arm.name for arm in mixed] == ["dpo", "sft"]


def test_settings_are_all_within_a_stage_and_the_named_ones_between() -> None:
    sft = gathered("sft-20260101-000000-cccccc", [True], learning_rate=5e-4, on_invalid="stop", max_steps=-1)
    arms = named([[sft], [dpo(0, learning_rate=2e-4, eval_delay=0)], [dpo(1, learning_rate=2e-4, eval_delay=3)]])
    rows = dict(setting_rows(arms))
    assert rows["learning_rate"] == ["0.0005", "0.0002", "0.0002"]
    assert rows["eval_delay"] == ["", "0", "3"]
    assert "on_invalid" not in rows
    assert "max_steps" not in rows


def test_mean_log_takes_the_steps_and_keys_that_all_have() -> None:
    one = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "note": "x"}, {"step": 2, "eval_loss": 3.0}]
    two = [{"step": 1, "loss": 4.0, "odd": 1.0}, {"step": 2, "loss": 2.0, "eval_loss": 5.0}, {"step": 3, "loss": 0.0}]
    assert mean_log([one, two]) == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.5, "eval_loss": 4.0}]
    assert mean_log([one]) == one
