import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from eval.interval import rate, wilson

Z2 = 1.959963984540054**2


def test_all_of_ten_pass() -> None:
    """With p = 1 Wilson's formula shrinks to n / (n + z^2) .. 1; with p = 0 to 0 .. z^2 / (n + z^2)."""
    assert wilson(10, 10) == pytest.approx((10 / (10 + Z2), 1.0))
    assert wilson(0, 10) == pytest.approx((0.0, Z2 / (10 + Z2)))


def test_half_of_a_hundred_pass() -> None:
    """At p = 1/2 the centre stays 1/2 and the half width is z / (2 sqrt(n + z^2))."""
    half = math.sqrt(Z2) / (2 * math.sqrt(100 + Z2))
    assert wilson(50, 100) == pytest.approx((0.5 - half, 0.5 + half))


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_agrees_with_statsmodels(count: tuple[int, int]) -> None:
    assert wilson(*count) == pytest.approx(proportion_confint(*count, method="wilson"), abs=1e-12)


def test_one_notice_a_reading_is_plain_wilson() -> None:
    made = rate([1.0, 0.0, 1.0, 1.0])
    assert (made.passed, made.n, made.rate) == (3, 4, 0.75)
    assert (made.low, made.high) == wilson(3, 4)


def test_shares_of_samples_average_and_round_outwards() -> None:
    made = rate([1 / 3, 1.0, 2 / 3, 0.5])
    assert (made.passed, made.rate) == (2.5, 0.625)
    assert (made.low, made.high) == (wilson(2, 4)[0], wilson(3, 4)[1])
    thirds = rate([1 / 3] * 3)
    assert (thirds.low, thirds.high) == wilson(1, 3)


@pytest.mark.parametrize("shares", [[], [1.1], [-0.1]])
def test_what_is_no_share_is_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match=r"reading|shares"):
        rate(shares)
