"""``pack_trainer`` behind TRL's own trainers: the same losses and metrics, exact accumulation, exact resumption."""

import itertools
import math

import pytest
import torch
from datasets import Dataset
from peft import get_peft_model
from torch.utils.data import SequentialSampler
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from data.prompts import prompt_messages
from data.source import source_notices
from models.load import ModelSpec, load_base
from models.lora import LoraArguments
from models.trie import pack_trainer
from models.trie.sampler import PromptSampler

# Eight prompts with three wrong notices each: 24 pairs.
_NOTICES = [(notice.reading, notice.text) for notice in source_notices("train")[:8]]
_UNTIMED = ("runtime", "per_second")


def sft_rows():
    return Dataset.from_list(
        [
            {"prompt": prompt_messages(reading), "completion": [{"role": "assistant", "content": text}]}
            for reading, text in _NOTICES
        ]
    )


def pair_rows():
    wrong = [lambda text: text[:-5], lambda text: text + " 네.", lambda text: text[:12] + "9" + text[13:]]
    return Dataset.from_list(
        [
            {
                "prompt": prompt_messages(reading),
                "chosen": [{"role": "assistant", "content": text}],
                "rejected": [{"role": "assistant", "content": change(text)}],
            }
            for reading, text in _NOTICES
            for change in wrong
        ]
    )


def settings(folder, **changes):
    return {
        "output_dir": str(folder),
        "bf16": False,
        "use_cpu": True,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "max_length": None,
        "gradient_checkpointing": False,
        "max_steps": 3,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "learning_rate": 1e-3,
        "optim": "sgd",  # Adam turns a gradient's last bit into its sign
        "max_grad_norm": 0.0,
        "disable_tqdm": True,
        **changes,
    }


def build(stage, folder, *, packed, sequential=True, cache=None, reference="adapter", **changes):
    loaded = load_base(ModelSpec("tiny-random", dtype="float32"))
    lora = LoraArguments(lora_r=4, lora_alpha=8).peft_config()
    torch.manual_seed(11)
    common = {"processing_class": loaded.tokenizer}
    if stage == "sft":
        rows = sft_rows()
        config = SFTConfig(**settings(folder, **changes))
        trainer = SFTTrainer(loaded.model, config, train_dataset=rows, eval_dataset=rows, peft_config=lora, **common)
    else:
        rows = pair_rows()
        model = loaded.model
        extra = {"peft_config": lora}
        if reference == "adapter":
            # what the DPO stage does: the SFT adapter is trained on, and TRL copies it as the reference
            model, extra = get_peft_model(model, lora), {}
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if "lora_B" in name:
                        parameter.normal_(std=0.05)
        config = DPOConfig(**settings(folder, **changes))
        trainer = DPOTrainer(
            model, args=config, train_dataset=rows, eval_dataset=rows.select(range(6)), **extra, **common
        )
    if packed:
        pack_trainer(trainer, reference_cache=cache)
    if sequential:
        trainer._get_train_sampler = lambda *_: SequentialSampler(trainer.train_dataset)
    return trainer


def logged(trainer, without=()):
    return [
        {key: value for key, value in entry.items() if not any(word in key for word in (*_UNTIMED, *without))}
        for entry in trainer.state.log_history
        if "train_loss" not in entry
    ]


def assert_logs_equal(ours, theirs, rel=1e-5):
    assert len(ours) == len(theirs) > 0
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() == other.keys()
        for key, value in mine.items():
            if key == "rewards/accuracies" and abs(mine["rewards/margins"]) < 2e-5:
                continue  # at the first step margins are 0, and their signs are rounding
            # rewards are differences of sums of some hundred nats
            slack = 2e-4 if "rewards" in key else 1e-5
            assert value == pytest.approx(other[key], rel=rel, abs=slack), key


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("sft", {}),
        ("sft", {"loss_type": "dft"}),
        ("dpo", {}),
        ("dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2], "gradient_accumulation_steps": 1}),
        ("dpo", {"use_weighting": True, "ld_alpha": 0.5}),
        ("dpo", {"loss_type": ["ipo"]}),
    ],
)
def test_losses_and_metrics_equal_stock_trl(stage, changes, tmp_path):
    # no step with an uneven last micro-batch: TRL weighs that one differently
    steps = {"max_steps": 2} if stage == "dpo" else {"max_steps": 3, "per_device_train_batch_size": 3}
    logs = []
    for packed in (True, False):
        trainer = build(stage, tmp_path / str(packed), packed=packed, **steps, **changes)
        trainer.train()
        trainer.evaluate()
        logs.append(logged(trainer))
    expected = {"loss", "entropy", "mean_token_accuracy", "num_tokens"}
    if stage == "dpo":
        expected |= {f"rewards/{name}" for name in ("chosen", "rejected", "margins", "accuracies")}
        expected |= {f"{name}/{side}" for name in ("logps", "logits") for side in ("chosen", "rejected")}
    assert expected <= logs[0][0].keys()
    assert "eval_loss" in logs[0][-1]
    assert_logs_equal(*logs)


@pytest.mark.parametrize("reference", ["adapter", "base"])
def test_the_first_dpo_step_is_ln_2_with_no_margin(reference, tmp_path):
    trainer = build("dpo", tmp_path, packed=True, reference=reference, max_steps=1)
    trainer.train()
    (first,) = logged(trainer)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert first["rewards/margins"] == pytest.approx(0, abs=2e-5)
    assert first["grad_norm"] > 0


def test_live_and_precomputed_references_train_alike(tmp_path):
    logs = []
    for live in (False, True):
        trainer = build("dpo", tmp_path / str(live), packed=False)
        pack_trainer(trainer, precompute_reference=not live)
        trainer._get_train_sampler = lambda *_, trainer=trainer: SequentialSampler(trainer.train_dataset)
        assert trainer.precompute_ref_logps is not live
        trainer.train()
        logs.append(logged(trainer))
    assert_logs_equal(*logs)


def test_cached_reference_is_read_and_equals_the_computed_one(tmp_path, monkeypatch):
    fresh = build("dpo", tmp_path / "a", packed=True, cache=tmp_path / "cache")
    files = sorted((tmp_path / "cache").glob("*.json"))
    assert len(files) == 2  # train and eval pairs

    def never(*_args, **_kwargs):
        raise AssertionError("the reference was computed again")

    monkeypatch.setattr(DPOTrainer, "compute_ref_log_probs", never)
    again = build("dpo", tmp_path / "b", packed=True, cache=tmp_path / "cache")
    for name in ("ref_chosen_logps", "ref_rejected_logps"):
        assert list(again.train_dataset[name]) == list(fresh.train_dataset[name])
        assert list(again.eval_dataset[name]) == list(fresh.eval_dataset[name])


def test_evaluate_takes_new_pairs_while_training(tmp_path):
    trainer = build("dpo", tmp_path, packed=True, max_steps=2)
    trainer.train()
    known = trainer.evaluate()
    new = trainer.evaluate(pair_rows().select(range(6)))
    for key in ("eval_loss", "eval_rewards/margins", "eval_logps/chosen"):
        assert new[key] == pytest.approx(known[key], rel=1e-6)


@pytest.mark.parametrize(("stage", "rows"), [("sft", 8), ("dpo", 24)])
def test_uneven_micro_batches_accumulate_to_the_whole_batch(stage, rows, tmp_path):
    """SFT: the mean over answer tokens; DPO: over pairs, where the last micro-batch is smaller."""
    weights = []
    for size, steps in ((rows, 1), (rows - rows // 3, 2)):
        trainer = build(
            stage,
            tmp_path / str(size),
            packed=True,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            max_steps=1,
            learning_rate=1.0,
        )
        before = {name: value.clone() for name, value in trainer.model.named_parameters() if value.requires_grad}
        trainer.train()
        after = dict(trainer.model.named_parameters())
        weights.append({name: after[name] - value for name, value in before.items()})
    moved = 0
    for name, whole in weights[0].items():
        # the step is a small difference of weights, hence the absolute part
        assert (weights[1][name] - whole).norm() <= 1e-4 * whole.norm() + 1e-7
        moved += bool(whole.norm() > 1e-4)
    assert moved


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_killed_and_resumed_equals_uninterrupted(stage, tmp_path):
    """Two epochs, cut within the first, with the shuffling of the prompts and Adam's state."""
    options = {
        "packed": True,
        "sequential": False,
        "per_device_train_batch_size": 2 if stage == "sft" else 5,
        "gradient_accumulation_steps": 1,
        "max_steps": 7,
        "optim": "adamw_torch",
        "save_strategy": "steps",
        "save_steps": 3,
    }
    whole = build(stage, tmp_path / "whole", **options)
    whole.train()
    resumed = build(stage, tmp_path / "resumed", **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    # TRL counts tokens in memory and begins again
    logs = [logged(trainer, without=["num_tokens"]) for trainer in (resumed, whole)]
    assert len(logs[0]) == 7
    assert_logs_equal(*logs, rel=1e-6)
    for name, value in resumed.model.named_parameters():
        torch.testing.assert_close(value, whole.model.get_parameter(name), rtol=1e-5, atol=1e-7)


def test_rows_of_a_prompt_meet_in_a_batch(tmp_path):
    trainer = build("dpo", tmp_path, packed=True, sequential=False, per_device_train_batch_size=6)
    prompts = []
    for batch in trainer.get_train_dataloader():
        shown = batch["attention_mask"] * (1 - batch["completion_mask"])
        prompts.append({tuple(row[mask == 1].tolist()) for row, mask in zip(batch["input_ids"], shown, strict=True)})
    # three pairs a prompt: two prompts fill a batch
    assert [len(found) for found in prompts] == [2, 2, 2, 2]


def test_the_sampler_gives_every_row_once_and_keeps_prompts_together():
    prompts = [name for name, count in (("a", 3), ("b", 1), ("c", 4), ("d", 2), ("e", 2)) for _ in range(count)]
    sampler = PromptSampler(prompts, seed=5, batch_size=4)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert sorted(order) == list(range(len(prompts)))
        names = [prompts[row] for row in order]
        assert sum(left != right for left, right in itertools.pairwise(names)) == 4


def test_no_prompt_is_cut_while_others_fit():
    """Sizes 3, 3, 1, 1 in batches of 4: every order of the shuffle fills two batches without a cut."""
    prompts = ["a"] * 3 + ["b"] * 3 + ["c", "d"]
    sampler = PromptSampler(prompts, seed=5, batch_size=4)
    uncut = 0
    for epoch in range(20):
        sampler.set_epoch(epoch)
        order = list(sampler)
        first, second = ({prompts[row] for row in half} for half in (order[:4], order[4:]))
        # c and d drawn first leave room for neither a nor b
        if {prompts[row] for row in order[:2]} != {"c", "d"}:
            assert not first & second
            uncut += 1
    assert uncut > 10


def test_orders_differ_by_epoch_and_repeat_by_seed():
    sampler, again = (PromptSampler(list(range(50)), seed=1, batch_size=8) for _ in range(2))
    first = list(sampler)
    assert first == list(again)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(PromptSampler(list(range(50)), seed=2, batch_size=8)) != first


def test_a_step_has_the_same_rows_however_it_is_shared_out():
    prompts = [name for name, count in zip("abcdefgh", (3, 1, 4, 2, 2, 5, 3, 4), strict=True) for _ in range(count)]
    orders = [list(PromptSampler(prompts, seed=3, batch_size=size, step_size=8)) for size in (8, 4, 2)]
    assert len(orders[0]) == 24
    for order in orders[1:]:
        for at in range(0, 24, 8):
            assert set(order[at : at + 8]) == set(orders[0][at : at + 8])


def test_a_prompt_larger_than_a_batch_is_cut():
    assert sorted(PromptSampler(["a"] * 10 + ["b"], seed=0, batch_size=4)) == list(range(11))


def test_a_different_sampling_strategy_is_kept(tmp_path):
    trainer = build("sft", tmp_path, packed=True, sequential=False, train_sampling_strategy="sequential")
    assert list(trainer._get_train_sampler()) == list(range(8))
