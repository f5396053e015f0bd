"""Fusion: four classifiers fitted alike; late and joint fusion gain where image and title are complementary."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ml.classifiers.fusion import INPUTS, Pairs, fuse, posteriors
from ml.embeddings.probes import fit_linear_probes
from ml.vectors import LabeledEmbeddings, Vectors
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")


def pairs(num: int, seed: int = 0, noise_of_titles: float = 0.3) -> Pairs:
    """Four categories: images separate the first half from the second, titles the odd ones from the even ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % 4

    def embedded(sides: np.ndarray, spread: float) -> Vectors:
        return (sides[:, None] + spread * rng.normal(size=(num, 8))).astype(np.float32)

    return Pairs(embedded(labels // 2, 0.3), embedded(labels % 2, noise_of_titles), 100 + labels.astype(np.int64))


def shares_right(train: Pairs, validation: Pairs, evaluated: Pairs) -> dict[str, float]:
    predictions = fuse(train, validation, evaluated, CPU)
    return {name: float((predictions.categories[name] == evaluated.labels).mean()) for name in INPUTS}


def test_complementary_image_and_title_are_accurate_only_together() -> None:
    right = shares_right(pairs(200), pairs(80, seed=1), pairs(400, seed=2))
    assert right["image"] < 0.65
    assert right["title"] < 0.65
    assert right["joint"] > 0.95
    assert right["late"] > 1.2 * max(right["image"], right["title"])


def test_late_fusion_ignores_titles_without_information() -> None:
    def without_information(num: int, seed: int) -> Pairs:
        cloudy = cloud(num, seed=seed)
        return Pairs(cloudy.vectors, noise(num, seed=100 + seed), cloudy.labels)

    train, validation, evaluated = (without_information(*each) for each in ((120, 0), (80, 1), (300, 2)))
    predictions = fuse(train, validation, evaluated, CPU)
    assert predictions.title_weight < 0.2
    assert np.mean(predictions.categories["late"] == predictions.categories["image"]) > 0.98


def test_zero_vectors_of_missing_titles_leave_the_prediction_to_the_image() -> None:
    def untitled(num: int, seed: int) -> Pairs:
        cloudy = cloud(num, seed=seed)
        return Pairs(cloudy.vectors, np.zeros((num, 6), dtype=np.float32), cloudy.labels)

    evaluated = untitled(200, 2)
    predictions = fuse(untitled(80, 0), untitled(40, 1), evaluated, CPU)
    for inputs in ("late", "joint"):
        np.testing.assert_array_equal(predictions.categories[inputs], predictions.categories["image"])


def test_no_label_of_an_evaluated_product_is_used() -> None:
    evaluated = pairs(100, seed=2)
    relabeled = replace(evaluated, labels=evaluated.labels[::-1].copy())
    given, other = (fuse(pairs(100), pairs(40, seed=1), each, CPU) for each in (evaluated, relabeled))
    for inputs in INPUTS:
        np.testing.assert_array_equal(given.categories[inputs], other.categories[inputs])


def test_posteriors_equal_those_of_scikit_learn_under_the_same_penalty() -> None:
    train, evaluated = cloud(90, spread=2.0), cloud(50, spread=2.0, seed=1)
    weight_decay = 0.1
    [probe] = fit_linear_probes(train, [weight_decay], CPU)
    mean, deviation = train.vectors.mean(axis=0), train.vectors.std(axis=0)
    oracle = LogisticRegression(C=1 / (weight_decay * len(train.labels)), max_iter=1000, tol=1e-8)
    oracle.fit((train.vectors - mean) / deviation, train.labels)
    expected = oracle.predict_proba((evaluated.vectors - mean) / deviation)
    np.testing.assert_allclose(posteriors(probe, evaluated.vectors), expected, atol=1e-3)


def test_a_category_without_training_products_is_never_predicted() -> None:
    validation = pairs(40, seed=1)
    strange = replace(validation, labels=np.where(validation.labels == 103, 999, validation.labels))
    predictions = fuse(pairs(100), strange, pairs(50, seed=2), CPU)
    assert 999 not in predictions.categories["joint"]


def test_validation_products_of_only_unknown_categories_are_refused() -> None:
    strange = replace(pairs(40, seed=1), labels=np.full(40, 999))
    with pytest.raises(ValueError, match="none of 40 validation products has one of the 4 categories"):
        fuse(pairs(100), strange, pairs(50), CPU)


def test_different_numbers_of_titles_and_images_are_refused() -> None:
    with pytest.raises(ValueError, match="9 embeddings have labels of the shape"):
        Pairs(noise(10), noise(9), np.zeros(10, dtype=np.int64))
    assert isinstance(pairs(10).labeled("joint"), LabeledEmbeddings)
