"""Heads: one contract for all, and the consistency of each across levels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS, Heads, build_heads
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.levels import group_logsumexp
from ml.classifiers.predicting import predict
from ml.classifiers.template import Template
from ml.encoders.encoder import build
from tests.ml.classifiers.trees import tree_labels
from tests.ml.tiny import TINY_ENCODER, striped

DIM = 6
WEIGHTS = (0.1, 0.2, 0.3, 1.0)


def drawn_heads(name: str, hierarchy: Hierarchy, seed: int) -> Heads:
    heads = build_heads(name, DIM, hierarchy)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in heads.parameters():
            weight.copy_(2 * torch.randn(weight.shape, generator=generator))
    return heads


@pytest.mark.parametrize("name", HEADS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_all_heads_give_a_distribution_on_every_level(name: str, seed: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    heads = drawn_heads(name, hierarchy, seed)
    scores = heads(torch.randn(3, DIM, generator=torch.Generator().manual_seed(seed)))
    assert [each.shape for each in scores] == [(3, num) for num in hierarchy.num_classes]
    leaves = heads.leaf_scores(scores, WEIGHTS).log_softmax(dim=1)
    for level, own in enumerate(heads.levels.marginalize(leaves)):
        torch.testing.assert_close(own.exp().sum(dim=1), torch.ones(3))
        for parent in range(hierarchy.num_classes[level]):  # a class has the sum of its leaves
            below = leaves.exp()[:, torch.from_numpy(hierarchy.paths[:, level] == parent)].sum(dim=1)
            torch.testing.assert_close(own.exp()[:, parent], below)


@pytest.mark.parametrize("name", [name for name, heads in HEADS.items() if getattr(heads, "agree", False)])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_heads_that_agree_have_the_sums_of_their_leaves_on_each_level(name: str, seed: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    heads = drawn_heads(name, hierarchy, seed)
    scores = heads(torch.randn(3, DIM, generator=torch.Generator().manual_seed(seed)))
    for own, summed in zip(scores, heads.levels.marginalize(scores[-1]), strict=True):
        torch.testing.assert_close(own.log_softmax(dim=1), summed)


def test_conditional_heads_multiply_probabilities_among_siblings() -> None:
    """Two roots; the first has two children, the second one."""
    hierarchy = Hierarchy.of_labels(np.array([[1, 10], [1, 11], [2, 20]]))
    heads = drawn_heads("conditional", hierarchy, 0)
    features = torch.randn(1, DIM)
    roots, leaves = (linear(features)[0] for linear in heads.linear)  # type: ignore[union-attr, operator]
    root = roots.softmax(dim=0)
    pair = leaves[:2].softmax(dim=0)
    expected = torch.stack([root[0] * pair[0], root[0] * pair[1], root[1]])
    torch.testing.assert_close(heads(features)[1][0].exp(), expected)


def test_flat_heads_have_gradients_from_leaves_only() -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(0))
    *above, leaves = drawn_heads("flat", hierarchy, 0)(torch.randn(2, DIM))
    assert not any(level.requires_grad for level in above)
    assert leaves.requires_grad


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1.0, 1e4]))
@settings(deadline=None)
def test_log_sums_over_groups_are_exact_and_do_not_overflow(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values, groups = scale * rng.normal(size=(2, 7)), rng.integers(0, 3, 7)
    groups[:3] = [0, 1, 2]
    found = group_logsumexp(torch.from_numpy(values).t(), torch.from_numpy(groups), 3).t()
    for group in range(3):
        expected = torch.from_numpy(values[:, groups == group]).logsumexp(dim=1)
        torch.testing.assert_close(found[:, group], expected)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("seed", range(3))
def test_predictions_form_one_path(name: str, seed: int) -> None:
    images, labels = striped(24)
    labels = tree_labels(seed, num=24)
    hierarchy = Hierarchy.of_labels(labels)
    classifier = Classifier(build(TINY_ENCODER), hierarchy, Template(heads=name))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in classifier.heads.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    predicted = predict(classifier, images, torch.device("cpu"), batch_size=10)
    paths = {tuple(path) for path in hierarchy.labels.tolist()}
    for row in range(len(images)):
        assert tuple(int(level.ids[row, 0]) for level in predicted) in paths
    for level in predicted:
        assert (np.diff(level.probabilities[:, 1:], axis=1) <= 1e-6).all()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("num_leaves", [1, 10, 5_000])
def test_heads_support_one_to_five_thousand_leaves(name: str, num_leaves: int) -> None:
    leaves = np.arange(num_leaves)
    hierarchy = Hierarchy.of_labels(np.stack([0 * leaves, leaves // 500, leaves // 20, leaves], axis=1))
    scores = build_heads(name, DIM, hierarchy)(torch.randn(2, DIM))
    torch.testing.assert_close(scores[-1].softmax(dim=1), torch.full((2, num_leaves), 1 / num_leaves), rtol=1, atol=1)
    assert all(torch.isfinite(level).all() for level in scores)


def test_unknown_heads_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"unknown heads 'conditonal'; similar names: conditional; available: conditional, "
    ):
        build_heads("conditonal", DIM, Hierarchy.of_labels(tree_labels(0)))
