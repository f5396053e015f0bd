"""Vectors: embeddings that have been looked at before anything is computed of them, and their unit length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def checked(vectors: NDArray[np.floating], what: str, dim: int | None = None) -> Vectors:
    """The vectors (num, dim) as float32, contiguous; `what` names them in errors.

    Raises:
        ValueError: there is none, they are no matrix or not of dimension `dim`, or one has NaN or an infinite number.
    """
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"{what} have the shape {vectors.shape}; give at least one row: (num, dim)")
    if dim is not None and vectors.shape[1] != dim:
        raise ValueError(f"{what} have {vectors.shape[1]} dimensions, expected {dim}; embed them with the same encoder")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{len(finite) - int(finite.sum())} of {len(finite)} {what} have NaN or infinite numbers, the first at row "
            f"{int(finite.argmin())}; embed those pictures again or leave them out"
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def unit_rows(vectors: Vectors) -> Vectors:
    """The vectors at length one, so that inner products are cosines; a vector of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


@dataclass(frozen=True)
class Labelled:
    """Embeddings (num, dim) and the category of each, (num,).

    Raises:
        ValueError: there is none, their numbers differ, or an embedding has NaN or an infinite number.
    """

    vectors: Vectors
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        checked(self.vectors, "labelled embeddings")
        if self.labels.shape != (len(self.vectors),):
            raise ValueError(
                f"{len(self.vectors)} embeddings have labels of the shape {self.labels.shape}; give one label to each"
            )

    def require_dim(self, other: "Labelled") -> None:
        """Refuse, with ValueError, embeddings of another dimension than these."""
        checked(other.vectors[:1], "embeddings to be judged", dim=self.vectors.shape[1])
