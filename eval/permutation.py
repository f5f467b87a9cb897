"""Two arms on the same readings, each with one run or several seeds: an exact test, and the interval of the difference.

The reading is the unit. The outcomes of several seeds on one reading resemble each other, so they are no further
trials; a majority vote of them would throw away how sure they are. What a reading says is its difference: the share of
the second arm's runs that pass minus that of the first arm's, and the test looks at the mean of these.

Were the arms alike, each reading's difference could as well have the other sign. The exact permutation test (Fisher
1935; Good 2005, ch. 3) asks how many of all 2^n ways to set the signs lead to a mean as far from 0. With one run in
each arm that is the exact McNemar test. It holds the trained models fixed and speaks of other readings; what another
seed would do is for :func:`seeds_test`.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, ttest_ind

from eval.interval import LEVEL


def sign_flip_test(differences: Sequence[int]) -> float:
    """Two-sided p-value of the exact permutation test; 1 when nothing differs.

    The distribution of the sum is folded together reading by reading, so nothing is drawn by chance.

    Args:
        differences: one for each reading, as whole numbers of one common unit.
    """
    unit = math.gcd(*differences)
    if unit == 0:
        return 1.0
    sizes = [abs(difference) // unit for difference in differences if difference]
    chances = np.ones(1)
    for size in sizes:
        still = np.zeros(2 * size)
        chances = (np.concatenate([chances, still]) + np.concatenate([still, chances])) / 2
    reach = sum(sizes)
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(sum(differences)) // unit
    return min(1.0, float(chances[far].sum()))


def difference_interval(shares: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Interval of the mean difference of two paired shares, each difference in -1..1.

    Bonett and Price 2012 (J. Educ. Behav. Stat. 37): a Wald interval after one reading gained and one lost were added,
    so that it has a width when nothing changed. Theirs is for differences of -1, 0 and 1; squares take the place of
    counts for those between.
    """
    n = len(shares) + 2
    mean = math.fsum(shares) / n
    spread = (math.fsum(share * share for share in shares) + 2) / n - mean * mean
    half = float(norm.ppf((1 + level) / 2)) * math.sqrt(spread / n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def seeds_test(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p-value of Welch's t-test on the rates of single seeds; None where it cannot tell.

    That is without two seeds in each arm, or when no seed differs from the others of its arm.

    It asks whether arms differ by more than their seeds do. Two or three seeds can show large differences only.
    """
    if min(len(first), len(second)) < 2 or len({*first}) == len({*second}) == 1:
        return None
    return float(ttest_ind(second, first, equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
