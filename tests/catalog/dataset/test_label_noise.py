"""Label noise: planted wrong labels are found."""

import numpy as np
import pytest

from catalog.dataset.label_noise import SUSPECTS_SCHEMA, suspect_labels

NUM, NUM_CLASSES = 2_000, 8


def planted(share_wrong: float, seed: int = 0, sharpness: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,), probabilities (n, 8) of a mostly right model, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    true = np.arange(NUM) % NUM_CLASSES
    logits = rng.normal(size=(NUM, NUM_CLASSES))
    logits[np.arange(NUM), true] += sharpness
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    is_wrong = rng.random(NUM) < share_wrong
    labels = np.where(is_wrong, (true + rng.integers(1, NUM_CLASSES, size=NUM)) % NUM_CLASSES, true)
    return labels, probabilities, is_wrong


def test_precision_and_recall_of_planted_wrong_labels_exceed_90_percent() -> None:
    labels, probabilities, is_wrong = planted(0.05)
    found = suspect_labels(labels, probabilities)
    suspect = np.zeros(NUM, dtype=bool)
    suspect[found["position"].to_numpy()] = True
    assert (suspect & is_wrong).sum() / suspect.sum() > 0.9  # precision
    assert (suspect & is_wrong).sum() / is_wrong.sum() > 0.9  # recall
    assert dict(found.schema) == SUSPECTS_SCHEMA


def test_the_suggested_class_is_mostly_the_true_one_and_never_the_label() -> None:
    labels, probabilities, _ = planted(0.05)
    found = suspect_labels(labels, probabilities)
    positions = found["position"].to_numpy()
    assert (found["suggested"] != found["label"]).all()
    assert (found["label"].to_numpy() == labels[positions]).all()
    assert (found["suggested"].to_numpy() == positions % NUM_CLASSES).mean() > 0.9


def test_the_most_suspect_come_first() -> None:
    labels, probabilities, _ = planted(0.05)
    found = suspect_labels(labels, probabilities)
    assert found["score"].is_sorted()
    assert np.allclose(found["score"], probabilities[found["position"], found["label"]])
    assert (found["suggested_probability"] > found["score"]).all()


def test_clean_labels_of_a_sure_model_are_not_suspect() -> None:
    labels, probabilities, _ = planted(0.0, sharpness=9.0)
    assert len(suspect_labels(labels, probabilities)) == 0


def test_labels_of_a_single_class_are_never_suspect() -> None:
    found = suspect_labels(np.zeros(4, dtype=np.int64), np.ones((4, 1)))
    assert found.is_empty()
    assert dict(found.schema) == SUSPECTS_SCHEMA


def test_wrong_shapes_missing_classes_and_nan_are_refused() -> None:
    labels, probabilities, _ = planted(0.05)
    with pytest.raises(ValueError, match=r"labels are \(1999,\), probabilities \(2000, 8\)"):
        suspect_labels(labels[1:], probabilities)
    with pytest.raises(ValueError, match=r"labels are 7 classes within 1\.\.7 for 8 columns"):
        suspect_labels(np.maximum(labels, 1), probabilities)
    with pytest.raises(ValueError, match="not a finite number"):
        suspect_labels(labels, np.full_like(probabilities, np.nan))
