"""Collapse: the monitors against their formulas, and on embeddings that have collapsed in known ways."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml.embeddings.collapse import alignment, deviations, effective_rank, embed_two_views, uniformity
from ml.encoders.encoder import build
from ml.recipe_types import Augmentation
from ml.vectors import Vectors, unit_rows
from tests.ml.clouds import noise
from tests.ml.tiny import TINY_ENCODER, striped

CPU = torch.device("cpu")


@given(num=st.integers(1, 60), dim=st.integers(1, 20), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_effective_rank_is_the_entropy_of_the_singular_values(num: int, dim: int, seed: int) -> None:
    embeddings = noise(num, dim, seed) + 1
    singular = np.linalg.svd(embeddings.astype(np.float64), compute_uv=False)
    shares = singular / singular.sum() + 1e-7
    assert effective_rank(embeddings) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)


def test_embeddings_on_few_directions_have_their_number_as_effective_rank() -> None:
    for rank in (1, 3, 8):
        directions = np.linalg.qr(noise(16, 16))[0][:rank]
        embeddings = np.repeat(directions, 5, axis=0).astype(np.float32)
        assert effective_rank(embeddings) == pytest.approx(rank, rel=1e-3)
    assert effective_rank(np.zeros((5, 16), dtype=np.float32)) == 1.0


@given(scale=st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_the_effective_rank_knows_no_scale_and_no_rotation(scale: float) -> None:
    embeddings = noise(50, 16)
    turned = (embeddings @ np.linalg.qr(noise(16, 16, seed=5))[0]) * np.float32(scale)
    assert effective_rank(turned.astype(np.float32)) == pytest.approx(effective_rank(embeddings), rel=1e-3)


def uniformity_by_hand(embeddings: Vectors) -> float:
    unit = unit_rows(embeddings).astype(np.float64)
    pairs = [np.exp(-2 * ((unit[i] - unit[j]) ** 2).sum()) for i in range(len(unit)) for j in range(i)]
    return float(np.log(np.mean(pairs)))


@given(num=st.integers(2, 25), dim=st.integers(2, 12), seed=st.integers(0, 1000))
@example(num=2, dim=2, seed=131)  # far apart, where a sum with the diagonal loses the pair
@settings(max_examples=30, deadline=None)
def test_the_uniformity_is_the_mean_over_all_pairs(num: int, dim: int, seed: int) -> None:
    embeddings = noise(num, dim, seed)
    assert uniformity(embeddings) == pytest.approx(uniformity_by_hand(embeddings), abs=1e-4)


def test_in_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = noise(50)
    whole = uniformity(embeddings), effective_rank(embeddings)
    monkeypatch.setattr("ml.embeddings.collapse.ROWS_AT_ONCE", 7)
    assert (uniformity(embeddings), effective_rank(embeddings)) == pytest.approx(whole, abs=1e-6)


def test_a_point_has_uniformity_zero_and_a_sphere_that_of_gaussians() -> None:
    assert uniformity(np.ones((20, 8), dtype=np.float32)) == pytest.approx(0, abs=1e-5)
    # On a sphere of many dimensions |x - y|^2 is 2 for nearly every pair.
    assert uniformity(noise(2000, 512)) == pytest.approx(-4, abs=0.05)


def test_one_embedding_has_no_uniformity() -> None:
    with pytest.raises(ValueError, match="one embedding makes no pair"):
        uniformity(noise(1))


@given(alpha=st.sampled_from([1.0, 2.0, 3.0]), seed=st.integers(0, 1000))
def test_the_alignment_is_the_mean_distance_of_two_views(alpha: float, seed: int) -> None:
    one, other = noise(9, seed=seed), noise(9, seed=seed + 1)
    apart = [
        np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** alpha
        for a, b in zip(one.astype(np.float64), other.astype(np.float64), strict=True)
    ]
    assert alignment(one, other, alpha) == pytest.approx(np.mean(apart), abs=1e-5)


def test_equal_views_are_aligned_and_opposite_ones_as_far_apart_as_can_be() -> None:
    assert alignment(noise(5), noise(5) * 3) == pytest.approx(0, abs=1e-6)
    assert alignment(noise(5), -noise(5)) == pytest.approx(4, abs=1e-5)


def test_views_of_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes \(5, 24\) and \(4, 24\); give two of the same images"):
        alignment(noise(5), noise(4))


def test_deviations_are_one_on_a_sphere_and_zero_where_a_dimension_is_dead() -> None:
    embeddings = noise(4000, 64)
    assert deviations(embeddings).mean() == pytest.approx(1, abs=0.02)
    embeddings[:, 5] = 0
    assert deviations(embeddings)[5] == 0
    assert deviations(np.ones((20, 8), dtype=np.float32)).max() == pytest.approx(0, abs=1e-6)


def test_two_views_differ_and_come_again_with_the_same_seed() -> None:
    pixels = striped(10)[0]
    encoder = build(TINY_ENCODER)
    state = torch.get_rng_state()
    one, other = embed_two_views(encoder, pixels, Augmentation(), CPU)
    assert one.shape == other.shape == (10, encoder.dim)
    assert not np.allclose(one, other)
    again, _ = embed_two_views(encoder, pixels, Augmentation(), CPU)
    assert np.array_equal(one, again)
    assert torch.equal(state, torch.get_rng_state())  # nobody else's random numbers change


def test_nothing_is_no_collapse_but_an_error() -> None:
    with pytest.raises(ValueError, match=r"embeddings have the shape \(0, 8\)"):
        effective_rank(np.empty((0, 8), dtype=np.float32))
