"""The energy coefficient against a sum over pairs, and its growth as distributions diverge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalog.evaluation.energy_distance import MAX_VECTORS, energy


def by_pairs(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    between = float(np.mean([np.linalg.norm(one - other) for one in first for other in second]))
    within = [
        float(np.mean([np.linalg.norm(one - other) for i, one in enumerate(s) for j, other in enumerate(s) if i != j]))
        for s in (first, second)
    ]
    return max(0.0, (2 * between - sum(within)) / (2 * between))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), num=st.integers(2, 12), other=st.integers(2, 12), moved=st.floats(0, 5))
def test_the_coefficient_is_a_mean_over_pairs_of_different_vectors(
    seed: int, num: int, other: int, moved: float
) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(num, 3)), moved + rng.normal(size=(other, 3))
    assert energy(first, second).coefficient == pytest.approx(by_pairs(first, second), abs=1e-5)


def test_without_a_shift_chance_explains_it() -> None:
    """Of a hundred samples of one distribution, about five have p below 0.05."""
    rng = np.random.default_rng(0)
    values = [energy(rng.normal(size=(40, 8)), rng.normal(size=(60, 8)), seed).p_value for seed in range(100)]
    assert 1 <= sum(value < 0.05 for value in values) <= 11


@pytest.mark.parametrize("shift", ["place", "spread", "shape"])
def test_differences_of_location_spread_and_shape_are_found(shift: str) -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(size=(300, 4))
    second = {
        "place": rng.normal(size=(300, 4)) + 0.5,
        "spread": 2 * rng.normal(size=(300, 4)),
        "shape": np.sign(rng.normal(size=(300, 4))),  # of the same mean and variance
    }[shift]
    assert energy(first, second).p_value == pytest.approx(1 / 200)


def test_it_does_not_depend_on_scale_and_reaches_one_for_two_points() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(50, 4)), rng.normal(size=(50, 4)) + 1
    assert energy(1e3 * first, 1e3 * second).coefficient == pytest.approx(energy(first, second).coefficient, rel=1e-4)
    assert energy(np.zeros((3, 2)), np.ones((4, 2))).coefficient == pytest.approx(1.0)
    assert energy(np.ones((3, 2)), np.ones((4, 2))).coefficient == 0.0


def test_a_large_sample_is_subsampled() -> None:
    rng = np.random.default_rng(3)
    many = rng.normal(size=(2 * MAX_VECTORS, 2))
    assert energy(many, many + 1.0).coefficient == pytest.approx(
        energy(many[::2], many[1::2] + 1.0).coefficient, abs=0.02
    )


def test_one_vector_has_no_distance() -> None:
    with pytest.raises(ValueError, match="1 and 5 vectors; each sample needs at least two"):
        energy(np.zeros((1, 2)), np.zeros((5, 2)))
