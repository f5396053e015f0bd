"""Quality: all metrics at once equal those of the single functions, and evaluation images select nothing."""

import numpy as np
import pytest
import torch

from ml.embeddings.probes import choose_weight_decay, fit_linear_probes, knn_predictions
from ml.embeddings.quality import collapse_metrics, evaluate_embeddings
from ml.embeddings.retrieval import retrieval_scores
from ml.vectors import LabeledEmbeddings
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")
TRAIN, EVALUATED = cloud(200, spread=3.0), cloud(100, spread=3.0, seed=1)
CHOOSING = np.arange(200) % 10 == 0


def test_each_figure_is_that_of_its_own_function() -> None:
    quality = evaluate_embeddings(TRAIN, EVALUATED, CHOOSING, CPU)
    knn = knn_predictions(TRAIN, EVALUATED.vectors, CPU) == EVALUATED.labels
    assert np.array_equal(quality.per_image["knn_top1"], knn)
    [probe] = fit_linear_probes(TRAIN, [quality.weight_decay], CPU)
    assert np.array_equal(quality.per_image["linear_top1"], probe.predict(EVALUATED.vectors) == EVALUATED.labels)
    found = retrieval_scores(TRAIN, EVALUATED, CPU)
    assert np.array_equal(quality.per_image["recall_at_5"], found.recall_at_5)
    assert np.array_equal(quality.per_image["mean_average_precision"], found.average_precision)


def test_the_weight_decay_is_chosen_on_training_images_only() -> None:
    fitted, validation = (LabeledEmbeddings(TRAIN.vectors[part], TRAIN.labels[part]) for part in (~CHOOSING, CHOOSING))
    chosen = choose_weight_decay(fitted, validation, CPU)
    for seed in range(3):
        assert evaluate_embeddings(TRAIN, cloud(20, spread=3.0, seed=seed), CHOOSING, CPU).weight_decay == chosen


@pytest.mark.parametrize("every", [True, False])
def test_choosing_needs_some_training_images_and_leaves_some(every: bool) -> None:
    with pytest.raises(ValueError, match=r"labeled embeddings have the shape \(0, 24\)"):
        evaluate_embeddings(TRAIN, EVALUATED, np.full(200, every), CPU)


def test_collapsed_embeddings_are_distinguished_from_spread_ones() -> None:
    spread = collapse_metrics(noise(500), (noise(50), noise(50)))
    point = collapse_metrics(np.ones((500, 24), dtype=np.float32), (noise(50), noise(50)))
    assert spread["effective_rank"] > 20
    assert point["effective_rank"] < 1.1
    assert spread["uniformity"] < -2
    assert point["uniformity"] > -1e-4
    assert spread["mean_deviation"] == pytest.approx(1, abs=0.05)
    assert (spread["dead_dimensions"], point["dead_dimensions"]) == (0, 24)
    assert collapse_metrics(noise(50), (noise(50), noise(50)))["alignment"] == 0
