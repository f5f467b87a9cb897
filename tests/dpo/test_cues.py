import pytest

from data.reading import Reading
from dpo.cues import cue_report, cues_by_fault
from dpo.pairs import Pair


def pairs(count: int, chosen: str, rejected: str, fault: str = "some") -> list[Pair]:
    """Pairs of ``count`` different readings; ``{n}`` in a text is the number of the pair."""
    return [
        Pair(Reading(n % 20, n // 20), chosen.format(n=n), rejected.format(n=n), fault, "label") for n in range(count)
    ]


def test_a_cue_that_both_sides_share_knows_nothing() -> None:
    report = cue_report(pairs(60, "가 {n} 나", "가 {n} 나"))
    assert {s.alone for s in report.separations.values()} == {0.5}
    assert {s.paired for s in report.separations.values()} == {0.5}
    assert (report.shorter, report.equal, report.longer) == (0, 1, 0)


def test_a_label_in_front_is_seen_by_the_first_word_and_the_length_alone() -> None:
    report = cue_report(pairs(60, "가나다 라", "출력: 가나다 라"))
    assert report.separations["first_word"].alone == report.separations["first_word"].paired == 1
    assert report.separations["length"].alone == report.separations["length"].paired == 1
    assert report.separations["last_word"].paired == 0.5
    assert report.longer == 1


def test_shorter_rejected_notices_separate_as_well_as_longer_ones() -> None:
    report = cue_report(pairs(60, "가나다라 끝", "가 끝"))
    assert report.separations["length"].alone == report.separations["length"].paired == 1
    assert report.shorter == 1


def test_an_unseen_word_counts_half() -> None:
    # Every first word occurs once, so a test word was never seen in training.
    report = cue_report(pairs(60, "왼{n} 끝", "오{n} 끝"))
    assert report.separations["first_word"].alone == report.separations["first_word"].paired == 0.5


def test_lengths_on_both_sides_cannot_be_told_apart_by_the_longer_one() -> None:
    half = pairs(40, "가나다 끝", "가나다라 끝") + pairs(40, "가나다 끝", "가나 끝")
    report = cue_report(half)
    assert report.separations["length"].paired == pytest.approx(0.5, abs=0.15)
    assert report.shorter == report.longer == 0.5


def test_reports_come_by_fault() -> None:
    mixed = pairs(20, "가 나", "가 나", "equal") + pairs(20, "가 나", "가가 나", "first")
    by_fault = cues_by_fault(mixed)
    assert list(by_fault) == ["equal", "first"]
    assert by_fault["equal"].separations["first_word"].paired == 0.5
    assert by_fault["first"].separations["first_word"].paired == 1
    assert by_fault["first"].to_dict()["first_word"] == {"alone": 1.0, "paired": 1.0}


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        cue_report([])
