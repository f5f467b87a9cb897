"""Moved notices: what can be moved, that the judge stands behind each, and that test cells stay out."""

from functools import cache

import pytest

from data.grid import heldout_cells
from data.reading import Reading, bucket
from data.source import source_notices
from data.splits import cells
from dpo.moved import FARTHEST, SOURCE, TAUGHT, move, moved_notices, pool_pairs
from rewards.judge import judge

EXAMPLES = tuple((notice.reading, notice.text) for notice in source_notices("train"))
NOTICE = "기온이 어제보다 7도 올라 한결 포근하니, 공원에서는 얇은 겉옷을 걸치고 여유롭게 걸어 보시기 바랍니다."


@cache
def moved() -> dict[Reading, str]:
    return moved_notices(EXAMPLES, cells("pool")[::17])


def test_only_the_figure_changes() -> None:
    assert move(NOTICE, Reading(8, 15), Reading(9, 17)) == NOTICE.replace("7도", "8도")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (Reading(9, 19), "another bucket: a large rise"),
        (Reading(17, 9), "another bucket: a fall"),
        (Reading(15, 21), "today is too far away for the advice"),
    ],
)
def test_a_notice_is_not_moved_where_its_words_may_not_fit(target: Reading, why: str) -> None:
    assert move(NOTICE, Reading(8, 15), target) is None, why


def test_a_notice_with_another_figure_is_not_moved() -> None:
    told = NOTICE.replace("한결 포근하니", "15도로 포근하니")
    assert move(told, Reading(8, 15), Reading(9, 17)) is None


def test_a_notice_that_says_nothing_changed_moves_as_it_is() -> None:
    same = "어제와 기온이 비슷하게 포근하니, 공원에서는 가벼운 겉옷 차림으로 산책로를 천천히 걸어 보시기 바랍니다."
    assert move(same, Reading(15, 15), Reading(16, 16)) == same


def test_every_moved_notice_passes_and_most_cells_get_one() -> None:
    assert len(moved()) > 0.85 * len(cells("pool")[::17])
    for reading, notice in moved().items():
        assert judge(notice, reading.yesterday, reading.today).passed, (reading, notice)


def test_neighbouring_cells_do_not_all_say_the_same() -> None:
    assert len(set(moved().values())) > 0.5 * len(moved())


def test_pairs_of_the_pool_carry_their_source_and_never_a_test_or_written_cell() -> None:
    pairs, report = pool_pairs(EXAMPLES, limit=12, per_cell=2)
    assert report.examples <= 40
    assert {pair.source for pair in pairs} == {SOURCE}
    assert {pair.fault for pair in pairs} <= {fault.name for fault in TAUGHT}
    used = {pair.reading for pair in pairs}
    assert used <= set(cells("pool"))
    assert not used & {*heldout_cells(), *(reading for reading, _ in EXAMPLES)}
    assert pool_pairs(EXAMPLES, limit=12, per_cell=2)[0] == pairs


def test_the_notice_comes_from_a_near_cell_of_the_same_bucket() -> None:
    by_text = {notice: reading for reading, notice in EXAMPLES}
    unchanged = [(target, by_text[notice]) for target, notice in moved().items() if notice in by_text]
    assert unchanged
    for target, origin in unchanged:
        assert bucket(target) == bucket(origin)
        assert abs(target.today - origin.today) <= FARTHEST


def test_no_pool_cells_asked_for_gives_no_pairs() -> None:
    assert pool_pairs(EXAMPLES, limit=0, per_cell=3)[0] == []
