"""Embedding arrays: validation, normalization, and embeddings with labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def checked(vectors: NDArray[np.floating], name: str, dim: int | None = None) -> Vectors:
    """Validates embeddings and returns them as contiguous float32.

    Args:
        vectors: (num, dim).
        name: Plural name of the vectors in error messages.
        dim: The expected dimension, if known.

    Raises:
        ValueError: The array is empty, not a matrix, of another dimension, or has NaN or infinite values.
    """
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"{name} have the shape {vectors.shape}; give at least one row: (num, dim)")
    if dim is not None and vectors.shape[1] != dim:
        raise ValueError(f"{name} have {vectors.shape[1]} dimensions, expected {dim}; embed them with the same encoder")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{len(finite) - int(finite.sum())} of {len(finite)} {name} have NaN or infinite numbers, the first at row "
            f"{int(finite.argmin())}; embed those images again or leave them out"
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def unit_rows(vectors: Vectors) -> Vectors:
    """Normalizes each row to length one, so that inner products are cosines; zero rows remain zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


@dataclass(frozen=True)
class LabeledEmbeddings:
    """Embeddings with labels.

    Args:
        vectors: (num, dim), float32.
        labels: The category id of each, (num,).

    Raises:
        ValueError: There are no embeddings, their number differs from that of labels, or values are not finite.
    """

    vectors: Vectors
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        checked(self.vectors, "labeled embeddings")
        if self.labels.shape != (len(self.vectors),):
            raise ValueError(
                f"{len(self.vectors)} embeddings have labels of the shape {self.labels.shape}; give one label to each"
            )

    def require_dim(self, other: "LabeledEmbeddings") -> None:
        """Raises ValueError if other embeddings have another dimension."""
        checked(other.vectors[:1], "evaluated embeddings", dim=self.vectors.shape[1])
