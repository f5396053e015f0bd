"""Probes: the vote against one that is counted by hand, the regression against scikit-learn's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ml.embeddings.probes import choose_weight_decay, fit_linear_probes, knn_predictions
from ml.vectors import LabeledEmbeddings
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")


def voted_by_hand(train: LabeledEmbeddings, query: np.ndarray, k: int, temperature: float) -> int:
    """The category that the k nearest vote for, one after another."""
    cosines = [float(query @ row / (np.linalg.norm(query) * np.linalg.norm(row))) for row in train.vectors]
    votes: dict[int, float] = {}
    for position in np.argsort(cosines)[::-1][:k]:
        category = int(train.labels[position])
        votes[category] = votes.get(category, 0.0) + np.exp(cosines[position] / temperature)
    return max(votes, key=lambda category: votes[category])


@given(seed=st.integers(0, 1000), k=st.integers(1, 45), temperature=st.sampled_from([0.07, 0.5, 10.0]))
@settings(max_examples=40, deadline=None)
def test_the_knn_probe_is_the_weighted_vote_counted_by_hand(seed: int, k: int, temperature: float) -> None:
    train, evaluation = cloud(40, spread=3.0, seed=seed), noise(6, seed=seed + 1)
    by_hand = [voted_by_hand(train, query, k, temperature) for query in evaluation]
    assert knn_predictions(train, evaluation, CPU, k, temperature).tolist() == by_hand


def test_one_very_near_neighbor_outvotes_many_far_ones() -> None:
    near, far = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    train = LabeledEmbeddings(np.stack([near, *[far] * 19]).astype(np.float32), np.array([1, *[2] * 19]))
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    assert knn_predictions(train, query, CPU).tolist() == [1]  # exp(1 / 0.07) against 19 exp(0.6 / 0.07)
    assert knn_predictions(train, query, CPU, temperature=10.0).tolist() == [2]


def test_distant_categories_are_predicted_and_noise_is_not() -> None:
    train, evaluation = cloud(200), cloud(100, seed=1)
    assert (knn_predictions(train, evaluation.vectors, CPU) == evaluation.labels).all()
    shuffled = LabeledEmbeddings(noise(200), train.labels)
    assert (knn_predictions(shuffled, noise(100, seed=1), CPU) == evaluation.labels).mean() < 0.5


def test_k_and_temperature_have_to_be_positive() -> None:
    with pytest.raises(ValueError, match=r"k is 0 and the temperature 0\.07; both have to be positive"):
        knn_predictions(cloud(8), noise(1), CPU, k=0)
    with pytest.raises(ValueError, match="temperature 0; both"):
        knn_predictions(cloud(8), noise(1), CPU, temperature=0)


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-2])
def test_the_linear_probe_is_scikit_learns_logistic_regression(weight_decay: float) -> None:
    train = cloud(300, num_categories=5, spread=2.0)
    [probe] = fit_linear_probes(train, [weight_decay], CPU, max_passes=1000)
    scaler = StandardScaler().fit(train.vectors)
    reference = LogisticRegression(C=1 / (weight_decay * 300), tol=1e-8, max_iter=5000)
    reference.fit(scaler.transform(train.vectors).astype(np.float64), train.labels)
    assert np.allclose(probe.weight.numpy(), reference.coef_, atol=2e-3)
    evaluation = cloud(200, num_categories=5, spread=2.0, seed=1)
    assert (probe.predict(evaluation.vectors) == reference.predict(scaler.transform(evaluation.vectors))).mean() > 0.99


def test_scaling_or_shifting_a_dimension_changes_no_prediction_and_a_dead_one_does_no_harm() -> None:
    train, evaluation = cloud(200, spread=2.0), cloud(100, spread=2.0, seed=1)

    def changed(vectors: np.ndarray) -> np.ndarray:
        return np.hstack([vectors * 100 - 30, np.full((len(vectors), 1), 7)]).astype(np.float32)

    [probe] = fit_linear_probes(train, [0.01], CPU)
    [other] = fit_linear_probes(LabeledEmbeddings(changed(train.vectors), train.labels), [0.01], CPU)
    assert (probe.predict(evaluation.vectors) == other.predict(changed(evaluation.vectors))).mean() > 0.98


def test_the_weight_decay_is_the_one_that_does_best_on_validation() -> None:
    train, validation = cloud(60, spread=4.0), cloud(400, spread=4.0, seed=1)
    decays = (10.0, 1.0, 0.1, 1e-2, 1e-4)
    accuracies = {
        decay: float((probe.predict(validation.vectors) == validation.labels).mean())
        for decay, probe in zip(decays, fit_linear_probes(train, decays, CPU), strict=True)
    }
    chosen = choose_weight_decay(train, validation, CPU, weight_decays=decays[::-1])  # in whatever order
    assert accuracies[chosen] == max(accuracies.values())
    assert chosen == max(decay for decay, accuracy in accuracies.items() if accuracy == max(accuracies.values()))


def test_without_a_weight_decay_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="no weight decays to choose from"):
        choose_weight_decay(cloud(8), cloud(8), CPU, weight_decays=())


def test_one_category_is_all_that_is_ever_predicted() -> None:
    train = cloud(10, num_categories=1)
    [probe] = fit_linear_probes(train, [0.1], CPU)
    assert set(probe.predict(noise(5))) == {100}
    assert set(knn_predictions(train, noise(5), CPU)) == {100}


def test_embeddings_of_another_encoder_are_refused() -> None:
    [probe] = fit_linear_probes(cloud(8), [0.1], CPU)
    with pytest.raises(ValueError, match="embeddings have 5 dimensions, expected 24"):
        probe.predict(noise(2, 5))
