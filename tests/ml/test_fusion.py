"""Fusion: four answers under one fit, and what late and joint gain where picture and title know different things."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ml.fusion import INPUTS, Pairs, fuse, posteriors
from ml.probes import fit_linear_probes
from ml.vectors import Labelled, Vectors
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")


def pairs(num: int, seed: int = 0, noise_of_titles: float = 0.3) -> Pairs:
    """Four categories: pictures tell the first half of them from the second, titles the odd from the even ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % 4

    def told(sides: np.ndarray, spread: float) -> Vectors:
        return (sides[:, None] + spread * rng.normal(size=(num, 8))).astype(np.float32)

    return Pairs(told(labels // 2, 0.3), told(labels % 2, noise_of_titles), 100 + labels.astype(np.int64))


def shares_right(train: Pairs, validation: Pairs, judged: Pairs) -> dict[str, float]:
    answers = fuse(train, validation, judged, CPU)
    return {name: float((answers.categories[name] == judged.labels).mean()) for name in INPUTS}


def test_what_picture_and_title_know_between_them_only_both_together_tell() -> None:
    right = shares_right(pairs(200), pairs(80, seed=1), pairs(400, seed=2))
    assert right["picture"] < 0.65
    assert right["title"] < 0.65
    assert right["joint"] > 0.95
    assert right["late"] > 1.2 * max(right["picture"], right["title"])


def test_titles_that_say_nothing_leave_the_picture_s_answer_to_late_fusion() -> None:
    def mute(num: int, seed: int) -> Pairs:
        cloudy = cloud(num, seed=seed)
        return Pairs(cloudy.vectors, noise(num, seed=100 + seed), cloudy.labels)

    train, validation, judged = mute(120, 0), mute(80, 1), mute(300, 2)
    answers = fuse(train, validation, judged, CPU)
    assert answers.title_weight < 0.2
    assert np.mean(answers.categories["late"] == answers.categories["picture"]) > 0.98


def test_zero_vectors_as_of_missing_titles_are_answered_by_the_picture() -> None:
    def untitled(num: int, seed: int) -> Pairs:
        cloudy = cloud(num, seed=seed)
        return Pairs(cloudy.vectors, np.zeros((num, 6), dtype=np.float32), cloudy.labels)

    judged = untitled(200, 2)
    answers = fuse(untitled(80, 0), untitled(40, 1), judged, CPU)
    for inputs in ("late", "joint"):
        np.testing.assert_array_equal(answers.categories[inputs], answers.categories["picture"])


def test_no_label_of_a_judged_product_is_looked_at() -> None:
    judged = pairs(100, seed=2)
    relabelled = replace(judged, labels=judged.labels[::-1].copy())
    given, other = (fuse(pairs(100), pairs(40, seed=1), each, CPU) for each in (judged, relabelled))
    for inputs in INPUTS:
        np.testing.assert_array_equal(given.categories[inputs], other.categories[inputs])


def test_posteriors_are_those_of_scikit_learn_under_the_same_penalty() -> None:
    train, judged = cloud(90, spread=2.0), cloud(50, spread=2.0, seed=1)
    weight_decay = 0.1
    [probe] = fit_linear_probes(train, [weight_decay], CPU)
    mean, deviation = train.vectors.mean(axis=0), train.vectors.std(axis=0)
    oracle = LogisticRegression(C=1 / (weight_decay * len(train.labels)), max_iter=1000, tol=1e-8)
    oracle.fit((train.vectors - mean) / deviation, train.labels)
    wanted = oracle.predict_proba((judged.vectors - mean) / deviation)
    np.testing.assert_allclose(posteriors(probe, judged.vectors), wanted, atol=1e-3)


def test_a_category_that_training_lacks_chooses_nothing_and_is_never_answered() -> None:
    validation = pairs(40, seed=1)
    strange = replace(validation, labels=np.where(validation.labels == 103, 999, validation.labels))
    answers = fuse(pairs(100), strange, pairs(50, seed=2), CPU)
    assert 999 not in answers.categories["joint"]


def test_validation_products_of_other_categories_alone_are_refused() -> None:
    strange = replace(pairs(40, seed=1), labels=np.full(40, 999))
    with pytest.raises(ValueError, match="none of 40 validation products is of the 4 categories"):
        fuse(pairs(100), strange, pairs(50), CPU)


def test_as_many_titles_as_pictures_are_asked_for() -> None:
    with pytest.raises(ValueError, match="9 embeddings have labels of the shape"):
        Pairs(noise(10), noise(9), np.zeros(10, dtype=np.int64))
    assert isinstance(pairs(10).seen("joint"), Labelled)
