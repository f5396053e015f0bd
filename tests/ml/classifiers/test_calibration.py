"""Calibration: the fitted temperature against a grid of temperatures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from catalog.evaluation.scores import expected_calibration_error
from ml.classifiers.calibration import PRIOR_IMAGES, at_temperature, fit_temperature
from ml.classifiers.hierarchy import UNKNOWN


def overconfident(num: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (num, 6) that are calibrated at one temperature, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    calibrated = at_temperature(rng.normal(scale=2, size=(num, 6)), 1.0)
    classes = np.array([rng.choice(6, p=np.exp(row)) for row in calibrated])
    return at_temperature(calibrated * temperature, 1.0), classes


def loss(log_probabilities: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    return -float(at_temperature(log_probabilities, temperature)[np.arange(len(targets)), targets].mean())


@given(seed=st.integers(0, 500), temperature=st.floats(0.2, 5), num=st.integers(3, 200))
@settings(max_examples=40, deadline=None)
def test_no_temperature_of_a_grid_is_more_probable(seed: int, temperature: float, num: int) -> None:
    log_probabilities, targets = overconfident(num, temperature, seed)

    def improbability(temperature: float) -> float:
        prior = gamma(a=1 + PRIOR_IMAGES, scale=1 / PRIOR_IMAGES).logpdf(1 / temperature)
        return num * loss(log_probabilities, targets, temperature) - float(prior)

    fitted = improbability(fit_temperature(log_probabilities, targets))
    assert fitted <= min(improbability(each) for each in np.geomspace(0.05, 20, 200)) + 1e-4


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_overconfident_probabilities_is_recovered(temperature: float) -> None:
    log_probabilities, targets = overconfident(4_000, temperature)
    fitted = fit_temperature(log_probabilities, targets)
    assert fitted == pytest.approx(temperature, rel=0.06)
    errors = []
    for used in (1.0, fitted):
        probabilities = np.exp(at_temperature(log_probabilities, used))
        errors.append(expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets))
    assert errors[1] < 0.025
    assert errors[1] <= errors[0] + 0.005


def test_each_level_has_a_temperature_of_its_own() -> None:
    sharp, of_sharp = overconfident(2_000, 3.0)
    flat, of_flat = overconfident(2_000, 0.5)
    assert fit_temperature(sharp, of_sharp) > 2
    assert fit_temperature(flat, of_flat) < 1


def test_scaling_keeps_the_order_of_classes_and_the_sum_of_probabilities() -> None:
    log_probabilities, _ = overconfident(50, 2.0)
    cooled = at_temperature(log_probabilities, 1.7)
    assert (np.argsort(cooled, axis=1) == np.argsort(log_probabilities, axis=1)).all()
    assert np.allclose(np.exp(cooled).sum(axis=1), 1)


@pytest.mark.parametrize("num", [1, 5, 30])
def test_a_few_images_that_are_all_right_make_no_prediction_certain(num: int) -> None:
    log_probabilities, _ = overconfident(num, 1.0)
    temperature = fit_temperature(log_probabilities, log_probabilities.argmax(axis=1))
    assert 0.1 < temperature < 1
    even = np.log([[0.55, 0.45]])
    assert np.exp(at_temperature(even, temperature)).max() < 0.9


def test_the_temperature_is_bounded_if_every_image_is_wrong() -> None:
    log_probabilities, _ = overconfident(30, 1.0)
    assert fit_temperature(log_probabilities, log_probabilities.argmin(axis=1)) == pytest.approx(20.0, rel=0.5)


def test_a_probability_of_zero_gives_a_finite_temperature() -> None:
    log_probabilities = np.array([[0.0, -np.inf], [-np.inf, 0.0], [0.0, -np.inf]], dtype=np.float16)
    assert 1 < fit_temperature(log_probabilities, np.array([0, 1, 1])) <= 20
    assert np.isfinite(at_temperature(log_probabilities, 2.0)).all()


def test_unknown_classes_are_ignored_and_only_unknown_ones_are_refused() -> None:
    log_probabilities, targets = overconfident(100, 2.0)
    with_unknown = np.concatenate([targets, np.full(20, UNKNOWN)])
    more = np.concatenate([log_probabilities, log_probabilities[:20]])
    assert fit_temperature(more, with_unknown) == fit_temperature(log_probabilities, targets)
    with pytest.raises(ValueError, match="none of 5 validation images has a class that the classifier knows"):
        fit_temperature(log_probabilities[:5], np.full(5, UNKNOWN))
    with pytest.raises(ValueError, match="none of 0 validation images"):
        fit_temperature(log_probabilities[:0], targets[:0])
