"""Intervals over seeds and images, and the image of the curves."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from catalog.evaluation.data_efficiency import Curve, Estimate, crossed_estimate, draw_curves


@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 100))
def test_the_interval_holds_the_mean_and_stays_within_the_scores(num_seeds: int, num_images: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 2, size=(num_seeds, num_images)).astype(float)
    estimate = crossed_estimate(scores, resamples=100)
    assert estimate.value == pytest.approx(scores.mean())
    assert scores.min() <= estimate.low <= estimate.high <= scores.max()


def test_equal_scores_leave_no_doubt() -> None:
    assert crossed_estimate(np.full((3, 20), 0.5)) == Estimate(0.5, 0.5, 0.5)


def test_the_interval_has_the_width_that_images_and_seeds_give_it() -> None:
    rng = np.random.default_rng(1)
    easy = rng.random((3, 400)) < rng.random(400)
    alike = np.repeat(easy[:1], 3, axis=0).astype(float)
    only_images = crossed_estimate(alike)
    standard_error = alike[0].std() / np.sqrt(400)
    assert only_images.high - only_images.low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    seeds_differ = alike + np.array([[-0.2], [0.0], [0.2]])  # further apart than images could tell
    both = crossed_estimate(seeds_differ)
    assert both.high - both.low > 2 * (only_images.high - only_images.low)


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    rng = np.random.default_rng(2)
    first = (rng.random((3, 500)) < rng.random(500)).astype(float)
    second = np.where(rng.random(first.shape) < 0.05, 1.0, first)  # better on a few images, never worse
    difference = crossed_estimate(second - first)
    assert difference.low > 0
    assert not crossed_estimate(second).is_disjoint_from(crossed_estimate(first))


def test_intervals_are_clear_of_each_other_only_without_overlap() -> None:
    assert Estimate(0.5, 0.4, 0.6).is_disjoint_from(Estimate(0.7, 0.65, 0.8))
    assert Estimate(0.7, 0.65, 0.8).is_disjoint_from(Estimate(0.5, 0.4, 0.6))
    assert not Estimate(0.5, 0.4, 0.66).is_disjoint_from(Estimate(0.7, 0.65, 0.8))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_no_scores_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(num_seeds, num_images\\) with at least one of each"):
        crossed_estimate(np.zeros(shape))


def test_curves_are_an_image_with_a_panel_each() -> None:
    estimates = [Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.65, 0.75)]
    curves = [Curve("random", [14, 1400], estimates), Curve("simclr", [14, 1400], estimates)]
    with Image.open(io.BytesIO(draw_curves([("A", curves)]))) as one:
        with Image.open(io.BytesIO(draw_curves([("A", curves), ("B", curves[:1])]))) as two:
            assert two.height == 2 * one.height
        colors = one.convert("RGB").getcolors(1 << 20)
        assert colors is not None
        assert len(colors) > 10


def test_nothing_to_draw_is_refused() -> None:
    for panels in ([], [("A", [])]):
        with pytest.raises(ValueError, match="no curve to draw"):
            draw_curves(panels)
