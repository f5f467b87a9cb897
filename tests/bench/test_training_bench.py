"""The training benchmark on ``tiny-random``: every system runs, losses are compared, numbers come out in shape."""

import argparse
import json

import pytest
import torch

from bench import compare as comparison
from bench import training, vocabulary
from bench.cases import Case, make_cases
from bench.machine import matrix_peak
from bench.work import plan_rows, training_flops
from bench.worker import Worker
from models.load import ModelSpec, load_base


class Inline:
    """A worker that needs no process."""

    def __call__(self, function, *args):
        return function(*args)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(comparison, "Worker", Inline)
    monkeypatch.setattr(comparison, "ONDO_ITEMS", 4)
    monkeypatch.setattr(comparison, "TRL_ITEMS", 2)
    monkeypatch.setattr(comparison, "_TRL_BATCHES", (2,))
    monkeypatch.setattr(comparison, "_TRL_PACKED_TOKENS", (512,))
    monkeypatch.setattr(comparison, "_PROMPTS_A_STEP", (1, 2))
    monkeypatch.setattr(comparison, "matrix_peak", lambda *_: 1e12)


def test_numbers_and_chart_come_out_in_shape(small, tmp_path, capsys):
    arguments = argparse.Namespace(
        cases="sft,dpo-2", pairs=1, json=tmp_path / "t.json", chart=tmp_path / "t.png", model="tiny-random"
    )
    assert training.measure(arguments) == 0
    found = json.loads(arguments.json.read_text())
    assert found["machine"]["bfloat16_gflops"] == 1000
    assert [case["name"] for case in found["cases"]] == ["sft", "dpo-2"]
    for case in found["cases"]:
        assert set(case["systems"]) == {"trl_stock", "trl_best", "ondo"}
        for values in case["systems"].values():
            assert all(values[name] > 0 for name in ("items_per_s", "tokens_per_s", "peak_memory_mb"))
        assert 0 < case["systems"]["ondo"]["peak_share"] < 1
        low, high = case["spread"]["vs_best"]
        assert 0 < low <= case["speedup_vs_best"] <= high
        assert case["memory_vs_best"] > 0
    assert arguments.chart.read_bytes().startswith(b"\x89PNG")
    assert "losses agree" in capsys.readouterr().out


def test_systems_that_disagree_are_not_timed(small, monkeypatch):
    (case,) = make_cases("sft")

    def check(exact, timed):
        losses = {
            True: {"trl_stock": 2.0, "trl_best": 2.0, **exact},
            False: {"trl_stock": 2.0, "trl_best": 2.01, **timed},
        }
        monkeypatch.setattr(comparison, "check", lambda settings, *rest: {"loss": losses[rest[-1]][settings.system]})
        comparison._check(case, "tiny-random")

    check({"ondo": 2.0001}, {"ondo": 2.04})
    with pytest.raises(
        comparison.DisagreementError, match=r"sft: loss is 2\.2 with ondo and 2 with trl_stock, as timed"
    ):
        check({"ondo": 2.0}, {"ondo": 2.2, "trl_best": 2.2})
    with pytest.raises(comparison.DisagreementError, match=r"2\.0003 with ondo and 2 with trl_best, in float32"):
        check({"ondo": 2.0003}, {"ondo": 2.0})
    with pytest.raises(comparison.DisagreementError, match=r"2\.0003 with ondo and 2 with trl_stock, in float32"):
        check({"ondo": 2.0003, "trl_best": 2.0003}, {"ondo": 2.0})


def test_a_margin_is_compared_in_float32_alone():
    assert comparison._slack("rewards/margins", 0.04, True) == 1e-4
    assert comparison._slack("rewards/margins", 0.04, False) == float("inf")
    assert comparison._slack("logps/chosen", -170.0, False) == pytest.approx(1.7)
    assert comparison._slack("logps/chosen", -170.0, True) == pytest.approx(0.017)


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="'dpo-x' is neither sft nor dpo-K"):
        make_cases("sft,dpo-x")
    wrong = argparse.Namespace(cases="sft", pairs=1, json=tmp_path / "no" / "t.json", chart=None, model="tiny-random")
    with pytest.raises(ValueError, match="no such folder"):
        training.measure(wrong)


def test_every_prompt_of_a_case_has_its_number_of_rejected_notices():
    (case,) = make_cases("dpo-2")
    readings = [reading for reading, _, _ in case.items]
    assert readings[::2] == readings[1::2]
    assert len(set(readings)) == len(readings) / 2
    assert len(set(case.items)) == len(case.items)


def test_work_by_hand():
    """Prompt 1 2, answers 3 4 and 3 5: nodes 1 2 3, labels 3 4 5; depths 1 + 2 + 3 = 6 tokens seen a layer."""
    from datasets import Dataset

    rows = Dataset.from_list([{"prompt_ids": [1, 2], "chosen_ids": [3, 4], "rejected_ids": [3, 5]}])
    plan = plan_rows(rows)
    assert (len(plan.trie), len(plan.labels)) == (3, 3)
    model = load_base(ModelSpec("tiny-random", dtype="float32")).model.requires_grad_(False)
    # three layers of q (32 x 32), k and v (16 x 32), o (32 x 32), and three matrices of 64 x 32
    body = 3 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32)
    head = len(load_base(ModelSpec("tiny-random")).tokenizer) * 32
    attention = 12 * 2 * 16 * (3 * 6)
    assert training_flops(model, plan) == 3 * 4 * body + 3 * 4 * head + attention


def test_a_case_begins_again_at_its_end():
    tokenizer = load_base(ModelSpec("tiny-random")).tokenizer
    (case,) = make_cases("sft")
    short = Case("sft", 1, case.items[:3])
    rows = short.rows(tokenizer, 2, 2)["input_ids"]
    assert list(rows) == [*short.rows(tokenizer, 2, 1)["input_ids"], *short.rows(tokenizer, 0, 1)["input_ids"]]


def test_the_peak_is_a_rate():
    assert matrix_peak(torch.float32, seconds=0.01) > 1e8


def test_a_worker_gives_values_and_errors_back():
    with Worker() as worker:
        assert worker(len, [1, 2, 3]) == 3
        with pytest.raises(RuntimeError, match="invalid literal"):
            worker(int, "x")
        assert worker(len, []) == 0


def test_the_vocabulary_benchmark_gives_every_rate_and_both_losses(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(vocabulary, "Worker", Inline)
    arguments = argparse.Namespace(pairs=1, items=4, readings=2, json=tmp_path / "v.json", model="tiny-random")
    assert vocabulary.measure(arguments) == 0
    found = json.loads(arguments.json.read_text())
    assert [case["name"] for case in found["cases"]] == ["sft", "dpo-4", "decoding"]
    for case in found["cases"]:
        assert case["ratio"] == pytest.approx(case["task"] / case["full"])
    losses = [float(note.split()[1]) for note in found["cases"][0]["notes"]]
    # fewer words to share the probability with
    assert losses[1] < losses[0]
    assert "decoding: full" in capsys.readouterr().out
