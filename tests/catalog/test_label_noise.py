"""Label noise: wrong labels planted among right ones are found, and by the rule of the paper."""

import numpy as np
import pytest

from catalog.label_noise import SUSPECTS_SCHEMA, suspect_labels

NUM, NUM_CLASSES = 2_000, 8


def planted(share_wrong: float, seed: int = 0, sharpness: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,), probabilities (n, 8) of a model that is mostly right about the truth, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    true = np.arange(NUM) % NUM_CLASSES
    logits = rng.normal(size=(NUM, NUM_CLASSES))
    logits[np.arange(NUM), true] += sharpness
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    is_wrong = rng.random(NUM) < share_wrong
    given = np.where(is_wrong, (true + rng.integers(1, NUM_CLASSES, size=NUM)) % NUM_CLASSES, true)
    return given, probabilities, is_wrong


def test_nine_of_ten_planted_wrong_labels_are_found_and_nine_of_ten_found_are_wrong() -> None:
    given, probabilities, is_wrong = planted(0.05)
    found = suspect_labels(given, probabilities)
    suspect = np.zeros(NUM, dtype=bool)
    suspect[found["position"].to_numpy()] = True
    assert (suspect & is_wrong).sum() / suspect.sum() > 0.9  # precision
    assert (suspect & is_wrong).sum() / is_wrong.sum() > 0.9  # recall
    assert dict(found.schema) == SUSPECTS_SCHEMA


def test_the_suggested_label_is_mostly_the_true_one_and_never_the_given_one() -> None:
    given, probabilities, _ = planted(0.05)
    found = suspect_labels(given, probabilities)
    positions = found["position"].to_numpy()
    assert (found["suggested"] != found["given"]).all()
    assert (found["given"].to_numpy() == given[positions]).all()
    assert (found["suggested"].to_numpy() == positions % NUM_CLASSES).mean() > 0.9


def test_the_most_suspect_come_first() -> None:
    given, probabilities, _ = planted(0.05)
    found = suspect_labels(given, probabilities)
    assert found["score"].is_sorted()
    assert np.allclose(found["score"], probabilities[found["position"], found["given"]])
    assert (found["suggested_probability"] > found["score"]).all()


def test_clean_labels_of_a_sure_model_are_not_suspect() -> None:
    given, probabilities, _ = planted(0.0, sharpness=9.0)
    assert len(suspect_labels(given, probabilities)) == 0


def test_one_class_has_no_other_to_be_taken_for() -> None:
    found = suspect_labels(np.zeros(4, dtype=np.int64), np.ones((4, 1)))
    assert found.is_empty()
    assert dict(found.schema) == SUSPECTS_SCHEMA


def test_what_does_not_fit_is_refused() -> None:
    given, probabilities, _ = planted(0.05)
    with pytest.raises(ValueError, match=r"labels are \(1999,\), probabilities \(2000, 8\)"):
        suspect_labels(given[1:], probabilities)
    with pytest.raises(ValueError, match=r"labels are 7 classes within 1\.\.7 for 8 columns"):
        suspect_labels(np.maximum(given, 1), probabilities)
    with pytest.raises(ValueError, match="not a finite number"):
        suspect_labels(given, np.full_like(probabilities, np.nan))
