"""A map keeps neighbors together."""

import numpy as np
import pytest

from ml.embeddings.embedding_map import map_embeddings


def test_clouds_of_embeddings_stay_clouds() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 16))
    kind = np.arange(90) % 3
    points = map_embeddings((centers[kind] + 0.05 * rng.normal(size=(90, 16))).astype(np.float32))
    assert points.shape == (90, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.where(np.eye(90), np.inf, 0.0)
    assert (kind[distance.argmin(axis=1)] == kind).mean() > 0.95


@pytest.mark.parametrize("num", [1, 2, 5])
def test_few_are_placed_by_their_principal_components(num: int) -> None:
    rng = np.random.default_rng(0)
    assert map_embeddings(rng.normal(size=(num, 8)).astype(np.float32)).shape == (num, 2)


def test_equal_embeddings_lie_on_one_point() -> None:
    assert (map_embeddings(np.ones((20, 8), dtype=np.float32)) == 0).all()


def test_the_same_seed_gives_the_same_map() -> None:
    embeddings = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    assert np.array_equal(map_embeddings(embeddings, seed=1), map_embeddings(embeddings, seed=1))
