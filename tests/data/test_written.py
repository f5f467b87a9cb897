"""What the written examples promise; the figures are those of the dataset card."""

import re
from collections import Counter

import pytest

from data.card import CARD, figures, with_figures
from data.reading import bucket
from data.source import source_notices
from data.statistics import FALL_WAYS, RISE_WAYS, Statistics, mask_figures, statistics
from rewards.judge import judge


@pytest.fixture(scope="module")
def train() -> Statistics:
    return statistics(source_notices("train"))


def test_every_notice_passes_every_rule() -> None:
    for split in ("train", "validation"):
        for notice in source_notices(split):
            verdict = judge(notice.text, notice.reading.yesterday, notice.reading.today)
            assert verdict.passed, (notice, [rule for rule in verdict.rules if not rule.passed])


def test_the_buckets_hold_the_guides_counts(train: Statistics) -> None:
    assert train.buckets == {
        "rise_large": 50,
        "rise_medium": 45,
        "rise_small": 48,
        "fall_large": 42,
        "fall_medium": 52,
        "fall_small": 48,
        "same": 10,
        "extreme": 7,
    }
    assert train.notices == 302


def test_every_size_of_change_and_both_ends_occur(train: Statistics) -> None:
    assert set(train.deltas) >= set(range(1, 26))
    assert (train.coldest, train.hottest) == (-20, 45)


def test_validation_touches_every_bucket() -> None:
    counts = Counter(bucket(notice.reading) for notice in source_notices("validation"))
    assert len(counts) == 8
    assert counts.total() == 15


def test_the_notices_are_varied(train: Statistics) -> None:
    assert train.max_similarity <= 85, train.most_similar
    assert train.top_opening[1] <= 0.12, train.top_opening
    assert len(train.rise_ways) >= 8
    assert len(train.fall_ways) >= 8


def test_weather_and_advice_are_there(train: Statistics) -> None:
    assert train.state >= 0.95
    assert train.advice >= 0.90


def test_no_two_notices_are_one_text() -> None:
    texts = [mask_figures(notice.text) for split in ("train", "validation") for notice in source_notices(split)]
    assert len(texts) == len(set(texts)) == 317


def test_the_card_shows_these_figures() -> None:
    card = CARD.read_text(encoding="utf-8")
    splits = {"train": source_notices("train"), "validation": source_notices("validation")}
    assert with_figures(card, figures(splits)) == card


def test_a_card_without_its_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_figures("no marks here", "x")


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("3도 올라 포근", "오르다"),
        ("7도 올라선 기온", "올라서다"),
        ("기온이 3도 높은 오늘", "높다"),
        ("5도 높아져", "높아지다"),
    ],
)
def test_a_way_to_say_the_rise_is_recognised(text: str, way: str) -> None:

    assert [name for name, pattern in RISE_WAYS.items() if re.search(pattern, text)][:1] == [way]


def test_every_way_is_told_apart_from_its_neighbour() -> None:

    assert not re.search(RISE_WAYS["오르다"], "기온이 올라섰습니다")
    assert not re.search(FALL_WAYS["내리다"], "기온이 내려갔습니다")
    assert not re.search(FALL_WAYS["낮다"], "기온이 낮아졌습니다")
