"""Beginnings that already say something wrong."""

import random
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.reading import Reading
from data.source import SOURCE, read_source
from rewards.judge import judge
from rewards.sofar import goes_wrong, too_long, too_short
from serve.fallback import fallback_notice


@pytest.mark.parametrize(
    ("beginning", "yesterday", "today", "expected"),
    [
        ("", 10, 20, None),
        ("오늘은 어제보다 10도", 10, 20, None),
        ("오늘은 어제보다 10도 높아", 10, 20, None),
        ("오늘은 어제보다 10도 낮아", 10, 20, "direction"),
        ("오늘은 어제보다 10도 올라 쌀쌀해졌으니", 10, 20, "direction"),
        ("어제보다 따뜻해", 10, 10, "direction"),
        ("어제와 같은 10도", 10, 10, None),
        ("오늘은 어제보다 9도", 10, 20, None),  # the next word may say what it is
        ("오늘은 어제보다 9도 더", 10, 20, None),
        ("오늘은 어제보다 9도 더 높아", 10, 20, "delta"),
        ("어제는 20도였지만 오늘은", 10, 20, "delta"),
        ("오늘은 어제보다 10도 높아 두꺼운 패딩을 입으시고", 20, 30, "safety"),
        ("출력: 오늘은 어제보다", 10, 20, "label"),
        ("오늘은 어제보다 10도 higher", 10, 20, "script"),
    ],
)
def test_what_a_beginning_gets_wrong(beginning, yesterday, today, expected):
    assert goes_wrong(beginning, yesterday, today) == expected


def test_a_beginning_that_is_longer_than_a_notice_may_be():
    assert not too_long("가" * 70 + " ")
    assert too_long("가" * 71)
    assert not too_long(unicodedata.normalize("NFD", "가" * 70))


def test_a_message_that_would_end_shorter_than_a_notice_may_be():
    assert too_short("가" * 39 + "  ")
    assert not too_short("가" * 40)
    assert too_short(unicodedata.normalize("NFD", "가" * 39))


def right_notices():
    for notice in read_source(SOURCE):
        yield notice.text, notice.reading
    chance = random.Random(5)
    for _ in range(150):
        reading = Reading(chance.randint(-60, 60), chance.randint(-60, 60))
        yield fallback_notice(reading), reading


def test_no_beginning_of_a_right_notice_goes_wrong():
    for text, reading in right_notices():
        assert judge(text, reading.yesterday, reading.today).passed
        words = text.split(" ")
        for count in range(1, len(words) + 1):
            beginning = " ".join(words[:count])
            assert goes_wrong(beginning, reading.yesterday, reading.today) is None, (beginning, reading)
            assert not too_long(beginning)


WORDS = {word for notice in read_source(SOURCE)[:60] for word in notice.text.split(" ")}
PIECES = [*sorted(WORDS), "출력:", "x", "9도", "."]
TEMPERATURES = st.integers(-60, 60)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join) | st.text(max_size=60), TEMPERATURES, TEMPERATURES)
def test_what_goes_wrong_never_passes(text, yesterday, today):
    if goes_wrong(text, yesterday, today) or too_long(text):
        assert not judge(text, yesterday, today).passed


def test_two_threads_may_ask_at_once():
    """In the service the engine's thread looks at beginnings while the main thread judges."""
    notices = [(text, reading.yesterday, reading.today + 1) for text, reading in right_notices()][:200]
    alone = [(judge(*notice), goes_wrong(*notice)) for notice in notices]
    with ThreadPoolExecutor(2) as pool:
        judged, asked = (
            pool.submit(lambda: [judge(*n) for n in notices]),
            pool.submit(lambda: [goes_wrong(*n) for n in notices]),
        )
        assert list(zip(judged.result(), asked.result(), strict=True)) == alone
