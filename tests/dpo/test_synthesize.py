"""The contract over the written examples: every pair is judged again here, by the judge alone."""

from collections import defaultdict
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.grid import heldout_cells
from data.reading import Reading
from data.source import source_notices
from dpo.faults import FAULTS, Fault, select_faults
from dpo.pairs import Pair
from dpo.synthesize import REQUIRED, FaultReport, Report, corrupt, synthesize
from models.tiny import tiny_tokenizer
from rewards.judge import judge

EXAMPLES = [(notice.reading, notice.text) for notice in source_notices("train")]
BREAKS = {fault.name: fault.breaks for fault in FAULTS}
LENGTH_FAULTS = {"too_short", "too_long"}


@cache
def all_pairs() -> tuple[list[Pair], Report]:
    """Every fault on every example, with token ids compared."""
    tokenizer = tiny_tokenizer()
    return synthesize(EXAMPLES, per_example=None, encode=lambda text: tokenizer(text).input_ids)


def test_every_chosen_passes_and_every_rejected_fails_exactly_what_its_fault_declares() -> None:
    pairs, _ = all_pairs()
    for pair in pairs:
        facts = (pair.reading.yesterday, pair.reading.today)
        assert judge(pair.chosen, *facts).passed
        assert judge(pair.rejected, *facts).failed == BREAKS[pair.fault], (pair.fault, pair.rejected)
        assert pair.rule in BREAKS[pair.fault]


def test_no_rejected_notice_stands_twice_for_one_example() -> None:
    """Two faults can meet in one figure: from 5 to 6 degrees the sum and the change off by ten are both 11."""
    pairs, report = all_pairs()
    assert len({(pair.reading, pair.rejected) for pair in pairs}) == len(pairs)
    assert sum(counted.given_up["same text as another fault's"] for counted in report.faults.values()) > 0


def test_every_written_example_gives_label_delta_and_one_sentence() -> None:
    pairs, report = all_pairs()
    rules = defaultdict(set)
    for pair in pairs:
        rules[pair.reading].add(pair.rule)
    assert report.unusable == []
    assert report.missing == {}
    assert all(set(REQUIRED) <= rules[reading] for reading, _ in EXAMPLES)


def test_every_fault_succeeds_somewhere_and_is_counted() -> None:
    pairs, report = all_pairs()
    for fault in FAULTS:
        made = sum(pair.fault == fault.name for pair in pairs)
        counted = report.faults[fault.name]
        assert counted.made == made > 0, fault.name
        assert made + counted.given_up.total() == len(EXAMPLES)
    assert report.to_dict()["pairs"] == len(pairs)


def test_lengths_lie_within_the_rubric_unless_length_is_the_fault() -> None:
    for pair in all_pairs()[0]:
        assert (40 <= len(pair.rejected) <= 70) == (pair.fault not in LENGTH_FAULTS)


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others() -> None:
    some = EXAMPLES[::15]
    assert synthesize(some, seed=3)[0] == synthesize(some, seed=3)[0]
    assert synthesize(some, seed=3)[0] != synthesize(some, seed=4)[0]


def test_a_pair_does_not_depend_on_the_company_it_was_made_in() -> None:
    together = synthesize(EXAMPLES[:8], per_example=None)[0]
    alone = synthesize(EXAMPLES[3:4], per_example=None, faults=select_faults(["label_front"]))[0]
    assert alone[0] in together


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_so_many_pairs_an_example_the_required_rules_first(count: int) -> None:
    some = EXAMPLES[::40]
    pairs, report = synthesize(some, per_example=count)
    assert report.missing == {}
    by_reading = defaultdict(list)
    for pair in pairs:
        by_reading[pair.reading].append(pair)
    for members in by_reading.values():
        assert len(members) == count
        assert tuple(pair.rule for pair in members[:3]) == REQUIRED[:count]
        assert len({pair.fault for pair in members}) == count


def test_a_reading_that_gives_nothing_for_a_required_rule_is_reported() -> None:
    same = [(reading, notice) for reading, notice in EXAMPLES if reading.delta == 0][:1]
    _, report = synthesize(same, faults=select_faults(["label_front", "delta_no_yesterday"]))
    assert report.missing == {"delta": [same[0][0]]}
    assert report.faults["delta_no_yesterday"].given_up.total() == 1


def test_notices_that_fail_themselves_are_left_out_and_named() -> None:
    reading, notice = EXAMPLES[0]
    pairs, report = synthesize([(reading, notice.replace("공원", "강변"))])
    assert pairs == []
    assert report.unusable == [(reading, "park")]
    assert report.examples == 0


def test_test_cells_are_refused() -> None:
    cell = heldout_cells()[10]
    with pytest.raises(ValueError, match="kept for the test split"):
        synthesize([(cell, EXAMPLES[0][1])])


def test_no_pairs_an_example_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        synthesize(EXAMPLES[:1], per_example=0)


def test_equal_token_ids_are_given_up_with_their_reason() -> None:
    reading, notice = EXAMPLES[0]
    report = FaultReport()
    (fault,) = select_faults(["label_front"])
    assert corrupt(fault, reading, notice, encode=lambda text: [0], report=report) is None
    assert dict(report.given_up) == {"same token ids": 1}


@settings(max_examples=60, deadline=None)
@given(
    example=st.sampled_from(EXAMPLES),
    fault=st.sampled_from(FAULTS),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_the_contract_holds_for_every_seed(example: tuple[Reading, str], fault: Fault, seed: int) -> None:
    reading, notice = example
    pair = corrupt(fault, reading, notice, seed=seed)
    if pair is not None:
        assert judge(pair.rejected, reading.yesterday, reading.today).failed == BREAKS[pair.fault]
        assert pair.chosen == notice != pair.rejected
