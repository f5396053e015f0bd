"""Clouds: embeddings of a few categories, near their own centers."""

import numpy as np

from ml.vectors import LabeledEmbeddings, Vectors

DIM = 24


def cloud(num: int, num_categories: int = 4, spread: float = 0.5, seed: int = 0) -> LabeledEmbeddings:
    """Embeddings (num, 24) about one center a category; category ids are 100, 101 and so on, in turn."""
    centers = np.random.default_rng(99).normal(size=(num_categories, DIM))
    labels = np.arange(num) % num_categories
    noise = np.random.default_rng(seed).normal(size=(num, DIM))
    return LabeledEmbeddings((centers[labels] + spread * noise).astype(np.float32), 100 + labels.astype(np.int64))


def noise(num: int, dim: int = DIM, seed: int = 0) -> Vectors:
    """Embeddings (num, dim) of no category."""
    return np.random.default_rng(seed).normal(size=(num, dim)).astype(np.float32)
