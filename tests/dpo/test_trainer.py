"""What is added to TRL's DPO trainer: log-ratios, margins per fault, the check of the first step, the warning."""

import math

import pytest
import torch

from dpo.trainer import (
    WrongReferenceError,
    check_step_zero,
    displaced,
    displacement_warning,
    log_ratios,
    per_fault_metrics,
)


@pytest.fixture
def batch():
    """One pair: a chosen answer of two tokens, a rejected one of three, behind a prompt of one."""
    return {
        "completion_mask": torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1]]),
        "ref_chosen_logps": torch.tensor([-2.0]),
        "ref_rejected_logps": torch.tensor([-8.5]),
    }


LOG_PROBS = torch.tensor([[-1.0, -2.0, -9.0], [-1.0, -3.0, -5.0]])


def test_log_ratios_sum_the_answers_and_subtract_the_reference(batch):
    """Chosen -1 - 2 = -3 (its third token is padding), rejected -1 - 3 - 5 = -9."""
    chosen_logps, chosen, rejected = log_ratios(LOG_PROBS, batch, None)
    assert chosen_logps.tolist() == [-3.0]
    assert chosen.tolist() == [-1.0]
    assert rejected.tolist() == [-0.5]


def test_ld_alpha_weighs_the_tokens_beyond_the_shorter_side(batch):
    """The shorter side has two tokens, so the third of the rejected one counts half: -1 - 3 - 2.5 = -6.5."""
    _, chosen, rejected = log_ratios(LOG_PROBS, batch, 0.5)
    assert chosen.tolist() == [-1.0]
    assert rejected.tolist() == [2.0]


def test_leading_columns_of_a_wider_pass_are_left_out(batch):
    wide = torch.cat([torch.full((2, 1), 100.0), LOG_PROBS], dim=1)
    for wider, plain in zip(log_ratios(wide, batch, None), log_ratios(LOG_PROBS, batch, None), strict=True):
        assert torch.equal(wider, plain)


def test_per_fault_metrics_are_means_over_the_pairs_of_a_fault():
    """Columns: count, margin, accuracy, chosen log-prob, shift. The shift is over all: (-3 + 1) / 3 pairs."""
    sums = torch.tensor([[2, 0.6, 1, -40, -3], [0, 0, 0, 0, 0], [1, 0.2, 1, -10, 1]], dtype=torch.float64)
    assert per_fault_metrics(["sum", "none", "quotes"], sums) == pytest.approx(
        {
            "dpo/margin/sum": 0.3,
            "dpo/accuracy/sum": 0.5,
            "dpo/chosen_logp/sum": -20,
            "dpo/margin/quotes": 0.2,
            "dpo/accuracy/quotes": 1,
            "dpo/chosen_logp/quotes": -10,
            "dpo/chosen_logp_shift": -2 / 3,
        }
    )
    assert per_fault_metrics(["sum"], torch.zeros(1, 5)) == {}


def test_policy_and_reference_may_differ_by_rounding_only():
    zero = torch.zeros(3)
    check_step_zero(zero, zero + 9e-4, 0.1, torch.float32)
    check_step_zero(zero - 1.4, zero, 0.1, torch.bfloat16)
    for away, dtype in ((2e-3, torch.float32), (1.6, torch.bfloat16), (1.0, torch.float16)):
        for ratios in ((zero + away, zero), (zero, zero - away)):
            with pytest.raises(WrongReferenceError):
                check_step_zero(*ratios, 0.1, dtype)


def test_a_wrong_reference_is_told_with_the_loss_it_gives():
    """-log sigmoid(0.1 * (2 + 2)) = log(1 + exp(-0.4)) = 0.5130."""
    with pytest.raises(WrongReferenceError) as error:
        check_step_zero(torch.tensor([2.0]), torch.tensor([-2.0]), 0.1, torch.float32)
    assert math.log(1 + math.exp(-0.4)) == pytest.approx(0.5130, abs=1e-4)
    assert "sigmoid loss is 0.5130 instead of ln 2 = 0.6931" in str(error.value)
    assert "up to 2.00 nats" in str(error.value)


def test_displacement_is_the_first_line_of_training_below_the_limit():
    log = [
        {"step": 1, "dpo/chosen_logp_shift": -1.0},
        {"step": 2, "eval_dpo/chosen_logp_shift": -9.0},
        {"step": 3, "loss": 1.0},
        {"step": 4, "dpo/chosen_logp_shift": -2.5},
        {"step": 5, "dpo/chosen_logp_shift": -3.0},
    ]
    assert displaced(log, 2.0) == {"step": 4.0, "shift": -2.5}
    assert displaced(log, 5.0) is None


def test_the_warning_says_what_to_do():
    told = displacement_warning(-7.25, 5.0, 40)
    assert "at step 40 the chosen notices are 7.2 nats less probable" in told
    assert "limit: 5" in told
    assert "loss_weights" in told
    assert "\n" not in told
