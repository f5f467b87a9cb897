"""Fallback notices: right for every reading, proved over all of them."""

from collections import Counter
from pathlib import Path

import pytest

from data.reading import Reading
from data.source import source_notices
from rewards.judge import judge_batch
from serve.fallback import HIGHEST, LOWEST, SOURCE, Form, degrees, fallback_notice, forms_for, read_forms

DEGREES = range(LOWEST, HIGHEST + 1)
READINGS = [Reading(yesterday, today) for yesterday in DEGREES for today in DEGREES]


def test_every_reading_has_a_right_notice() -> None:
    notices = [fallback_notice(reading) for reading in READINGS]
    verdicts = judge_batch([(text, r.yesterday, r.today) for text, r in zip(notices, READINGS, strict=True)])
    wrong = [(r, text, v.failed) for r, text, v in zip(READINGS, notices, verdicts, strict=True) if not v.passed]
    assert len(READINGS) == 121 * 121
    assert wrong == []


def test_no_reading_has_fewer_than_three_sentences_and_all_sentences_are_used() -> None:
    assert min(len(forms_for(reading)) for reading in READINGS) >= 3
    used = Counter(form.line for reading in READINGS for form in forms_for(reading))
    assert set(used) == {form.line for form in read_forms(SOURCE)}


def test_neighbours_seldom_share_a_sentence() -> None:
    """With three sentences or more, chance alone lets a third of neighbours share theirs."""
    pairs = [(Reading(y, t), Reading(y + 1, t)) for y in range(-20, 40) for t in range(-20, 45) if y not in (t, t - 1)]

    def chosen(reading: Reading) -> str:
        text = fallback_notice(reading)
        return next(form.text for form in forms_for(reading) if form.notice(reading) == text)

    shared = sum(chosen(one) == chosen(other) for one, other in pairs)
    assert shared / len(pairs) < 1 / 3


def test_sentences_are_not_those_of_the_splits() -> None:
    written = {notice.text for split in ("train", "validation") for notice in source_notices(split)}
    cells = [notice.reading for split in ("train", "validation") for notice in source_notices(split)]
    assert not written & {form.notice(cell) for cell in cells for form in forms_for(cell)}


def test_figures() -> None:
    form = Form("fall", (-9, -1), (5, 120), "어제 {yesterday}에서 오늘 {today}로 {n}도", 1)
    assert form.notice(Reading(3, -4)) == "어제 3도에서 오늘 영하 4도로 7도"
    assert [degrees(degree) for degree in (-1, 0, 1)] == ["영하 1도", "0도", "1도"]


@pytest.mark.parametrize(
    ("reading", "fits"),
    [
        (Reading(4, -1), True),
        (Reading(-4, -9), True),
        (Reading(3, -1), False),  # by 4
        (Reading(5, 0), False),  # too warm
        (Reading(-5, -10), False),  # too cold
        (Reading(-9, -1), False),  # a rise
        (Reading(-5, -5), False),
    ],
)
def test_bounds_are_included(reading: Reading, fits: bool) -> None:
    assert Form("fall", (-9, -1), (5, 120), "", 1).fits(reading) is fits


@pytest.mark.parametrize("reading", [Reading(-61, 0), Reading(0, 61)])
def test_readings_outside_are_refused(reading: Reading) -> None:
    with pytest.raises(ValueError, match="lies outside -60"):
        fallback_notice(reading)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("rise\t0..5\t1..4", "not enough values"),
        ("up\t0..5\t1..4\t문장", "'up' is none of"),
        ("rise\t5..0\t1..4\t문장", "lower bound"),
        ("rise\t0-5\t1..4\t문장", "0-5"),
        ("rise\t0..5\t1..4\t{m}도", "unknown field m"),
        ("rise\t0..5\t1..4\t{n도", "expected '}'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "forms.tsv"
    path.write_text(f"# head\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"forms.tsv:3: .*{cause}"):
        read_forms(path)
