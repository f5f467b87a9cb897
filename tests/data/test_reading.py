import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.reading import BUCKETS, Reading, bucket


@pytest.mark.parametrize(
    ("yesterday", "today", "expected"),
    [
        (10, 20, "rise_large"),
        (10, 19, "rise_medium"),
        (10, 15, "rise_medium"),
        (10, 14, "rise_small"),
        (10, 11, "rise_small"),
        (10, 10, "same"),
        (11, 10, "fall_small"),
        (14, 10, "fall_small"),
        (15, 10, "fall_medium"),
        (19, 10, "fall_medium"),
        (20, 10, "fall_large"),
        (0, -12, "extreme"),
        (1, -12, "fall_large"),
        (0, -11, "fall_large"),
        (-12, -12, "extreme"),
        (-21, -12, "rise_medium"),
        (30, 38, "extreme"),
        (29, 38, "rise_medium"),
        (30, 37, "rise_medium"),
        (45, 38, "extreme"),
        (46, 38, "fall_medium"),
    ],
)
def test_bucket_edges(yesterday: int, today: int, expected: str) -> None:
    assert bucket(Reading(yesterday, today)) == expected


@given(st.integers(-60, 60), st.integers(-60, 60))
def test_every_reading_has_a_bucket_that_agrees_with_its_sign(yesterday: int, today: int) -> None:
    reading = Reading(yesterday, today)
    name = bucket(reading)
    assert name in BUCKETS
    if name != "extreme":
        assert name.startswith("rise") == (reading.delta > 0)
        assert name.startswith("fall") == (reading.delta < 0)
