"""Category predictions against a slow walk through the tree."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.hierarchy import Hierarchy
from ml.deployment.categories import NUM_ALTERNATIVES, categorize
from tests.ml.classifiers.trees import tree_labels


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([-1.0, 0.1, 0.5, 0.9, 1.0]))
@settings(deadline=None)
def test_predictions_equal_those_of_a_slow_walk_through_the_tree(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    leaves = rng.dirichlet(np.full(hierarchy.num_classes[-1], 0.3), size=4)
    predictions = categorize(np.log(leaves.clip(1e-20)), hierarchy, 1.0, threshold)
    labels = hierarchy.labels
    for image, own in enumerate(leaves):
        best = own.argmax()
        depth, category, probability = 0, -1, 1.0
        for level, node in enumerate(labels[best]):
            mass = own[labels[:, level] == node].sum()
            if mass > threshold + 1e-9:
                depth, category, probability = level + 1, node, mass
        assert predictions.depths[image] == depth
        assert predictions.categories[image] == category
        np.testing.assert_allclose(predictions.probabilities[image], probability, rtol=1e-6)
        order = np.argsort(-own, kind="stable")[: 1 + NUM_ALTERNATIVES]
        np.testing.assert_array_equal(predictions.leaves[image], labels[order, -1])
        np.testing.assert_allclose(predictions.leaf_probabilities[image], own[order], rtol=1e-6)


def test_a_higher_temperature_lowers_the_probability_of_the_best_leaf() -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(5))
    rng = np.random.default_rng(0)
    log_probabilities = np.log(rng.dirichlet(np.full(hierarchy.num_classes[-1], 0.2), size=50).clip(1e-20))
    cool, warm = (categorize(log_probabilities, hierarchy, temperature, 0.7) for temperature in (1.0, 4.0))
    assert (warm.leaf_probabilities[:, 0] <= cool.leaf_probabilities[:, 0]).all()
    np.testing.assert_array_equal(cool.leaves[:, 0], warm.leaves[:, 0])
