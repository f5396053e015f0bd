"""Quality: all figures at once are those of the single functions, and what judges has chosen nothing."""

import numpy as np
import pytest
import torch

from ml.probes import choose_weight_decay, fit_linear_probes, knn_predictions
from ml.quality import collapse_figures, judge
from ml.retrieval import retrieval
from ml.vectors import Labelled
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")
TRAIN, JUDGED = cloud(200, spread=3.0), cloud(100, spread=3.0, seed=1)
CHOOSING = np.arange(200) % 10 == 0


def test_each_figure_is_that_of_its_own_function() -> None:
    judgement = judge(TRAIN, JUDGED, CHOOSING, CPU)
    knn = knn_predictions(TRAIN, JUDGED.vectors, CPU) == JUDGED.labels
    assert np.array_equal(judgement.by_picture["knn_top1"], knn)
    [probe] = fit_linear_probes(TRAIN, [judgement.weight_decay], CPU)
    assert np.array_equal(judgement.by_picture["linear_top1"], probe.predict(JUDGED.vectors) == JUDGED.labels)
    found = retrieval(TRAIN, JUDGED, CPU)
    assert np.array_equal(judgement.by_picture["recall_at_5"], found.recall_at_5)
    assert np.array_equal(judgement.by_picture["mean_average_precision"], found.average_precision)


def test_the_weight_decay_is_chosen_among_training_pictures_whatever_is_judged() -> None:
    fitted, validation = (Labelled(TRAIN.vectors[part], TRAIN.labels[part]) for part in (~CHOOSING, CHOOSING))
    chosen = choose_weight_decay(fitted, validation, CPU)
    for seed in range(3):
        assert judge(TRAIN, cloud(20, spread=3.0, seed=seed), CHOOSING, CPU).weight_decay == chosen


@pytest.mark.parametrize("every", [True, False])
def test_choosing_needs_some_training_pictures_and_leaves_some(every: bool) -> None:
    with pytest.raises(ValueError, match=r"labelled embeddings have the shape \(0, 24\)"):
        judge(TRAIN, JUDGED, np.full(200, every), CPU)


def test_collapsed_embeddings_are_told_from_spread_ones() -> None:
    spread = collapse_figures(noise(500), (noise(50), noise(50)))
    point = collapse_figures(np.ones((500, 24), dtype=np.float32), (noise(50), noise(50)))
    assert spread["effective_rank"] > 20
    assert point["effective_rank"] < 1.1
    assert spread["uniformity"] < -2
    assert point["uniformity"] > -1e-4
    assert spread["mean_deviation"] == pytest.approx(1, abs=0.05)
    assert (spread["dead_dimensions"], point["dead_dimensions"]) == (0, 24)
    assert collapse_figures(noise(50), (noise(50), noise(50)))["alignment"] == 0
