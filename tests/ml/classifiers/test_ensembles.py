"""Ensembles: votes and stacks of members that may know different classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ml.classifiers.ensembles import combined, over_ensemble_classes, stacking_weights
from ml.classifiers.hierarchy import Hierarchy, joint


def drawn(seed: int, num: int, num_classes: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(num_classes), num).astype(np.float32)


def test_members_with_different_classes_are_pooled_over_all_of_them() -> None:
    cats, dogs = (Hierarchy.of_labels(np.array([[1, leaf], [1, 12]])) for leaf in (10, 11))
    both = joint([cats, dogs])
    assert both.ids == ((1,), (10, 11, 12))
    one = over_ensemble_classes(both, cats, (np.ones((1, 1), np.float32), np.array([[0.25, 0.75]], np.float32)))
    other = over_ensemble_classes(both, dogs, (np.ones((1, 1), np.float32), np.array([[0.5, 0.5]], np.float32)))
    pooled = combined([one, other], [1, 1])
    np.testing.assert_allclose(pooled[1], [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(pooled[0], [[1.0]])


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
@settings(deadline=None)
def test_a_pool_is_a_distribution(seed: int, weights: list[float]) -> None:
    members = [(drawn(seed + number, 5, 7),) for number in range(len(weights))]
    (pooled,) = combined(members, weights)
    np.testing.assert_allclose(pooled.sum(axis=1), 1, rtol=1e-5)


def test_stacking_maximizes_the_likelihood() -> None:
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 5, 400)
    members = [drawn(number, 400, 5) for number in range(3)]
    members[1][np.arange(400), targets] += 0.8  # one informative member
    members[1] /= members[1].sum(axis=1, keepdims=True)
    found = stacking_weights(members, targets)

    of_target = np.stack([member[np.arange(400), targets] for member in members], axis=1)
    free = minimize(
        lambda w: -np.log(of_target @ w).sum(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    assert np.log(of_target @ found).sum() >= -free.fun - 1e-3
    assert found.argmax() == 1
    np.testing.assert_allclose(found.sum(), 1)


def test_a_stack_has_at_least_the_likelihood_of_each_member_and_of_the_vote() -> None:
    targets = np.random.default_rng(0).integers(0, 4, 200)
    members = [drawn(10 + number, 200, 4) for number in range(4)]
    weights = stacking_weights(members, targets)

    def likelihood(pool: np.ndarray) -> float:
        return float(np.log(pool[np.arange(200), targets]).mean())

    (stacked,) = combined([(member,) for member in members], weights.tolist())
    (vote,) = combined([(member,) for member in members], [1.0] * 4)
    assert likelihood(stacked) >= max(likelihood(vote), *map(likelihood, members)) - 1e-6


def test_labels_that_no_member_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="classes that the members know"):
        stacking_weights([drawn(0, 3, 2)], np.full(3, -1))
