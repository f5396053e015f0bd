"""Intervals of shares, against the equation that they solve; and the test of a fall, against scipy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, norm

from catalog.evaluation.proportions import fall_p_value, wilson_interval


@given(st.integers(1, 5_000).flatmap(lambda num: st.tuples(st.integers(0, num), st.just(num))))
def test_the_ends_are_two_deviations_from_the_share(counted: tuple[int, int]) -> None:
    num_hits, num = counted
    share = num_hits / num
    low, high = wilson_interval(num_hits, num)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / num), abs=1e-9)


def test_few_samples_that_are_all_right_prove_little() -> None:
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 of 0 is not a share"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="3 of 2 is not a share"):
        wilson_interval(3, 2)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 400), st.integers(1, 400))
def test_a_fall_is_tested_as_scipy_tests_a_table(hits: int, misses: int, hits_now: int, misses_now: int) -> None:
    statistic = chi2_contingency([[hits, misses], [hits_now, misses_now]], correction=False).statistic
    fell = hits / (hits + misses) >= hits_now / (hits_now + misses_now)
    one_sided = norm.sf(math.sqrt(statistic) if fell else -math.sqrt(statistic))
    assert fall_p_value((hits, hits + misses), (hits_now, hits_now + misses_now)) == pytest.approx(one_sided, abs=1e-9)


def test_where_all_are_right_nothing_fell_and_of_nothing_no_share_falls() -> None:
    assert fall_p_value((10, 10), (3, 3)) == 1.0
    with pytest.raises(ValueError, match="0 of 0 is not a share"):
        fall_p_value((10, 10), (0, 0))
