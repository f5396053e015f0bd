"""Collapse: whether embeddings use their dimensions, or have shrunk to a point or a few directions.

No label is needed, so these figures watch an encoder where nothing else can.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ml.encoders import Encoder
from ml.pixels import Pixels
from ml.recipe_types import Augmentation
from ml.vectors import Vectors, checked, unit_rows
from ml.views import random_view

EPSILON = 1e-7  # RankMe's, of float32
ROWS_AT_ONCE = 4096  # 64 MiB of pairwise distances


def effective_rank(embeddings: Vectors) -> float:
    """RankMe: exp of the entropy of the singular values' shares, 1 for a line up to min(num, dim).

    Embeddings (num, dim), as they are, not centred (Garrido et al. 2023, arXiv:2210.02885, equation 1). The singular
    values come from the sums of products (dim, dim) in float64, so memory does not grow with the pictures.
    """
    checked(embeddings, "embeddings")
    dim = embeddings.shape[1]
    products = np.zeros((dim, dim))
    for part in _pieces(embeddings):
        exact = part.astype(np.float64)
        products += exact.T @ exact
    singular = np.sqrt(np.linalg.eigvalsh(products).clip(min=0))
    if not singular.any():
        return 1.0  # all zero: a single point
    shares = singular / singular.sum() + EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))


def uniformity(embeddings: Vectors, t: float = 2.0) -> float:
    """The log of the mean of exp(-t |x - y|^2) over all pairs at unit length: 0 for a point, less the wider.

    Wang & Isola 2020 (arXiv:2005.10242, equation 3). Embeddings (num, dim), at least two; the time grows with num^2.

    Raises:
        ValueError: there is only one embedding, so no pair.
    """
    unit = torch.from_numpy(unit_rows(checked(embeddings, "embeddings")))
    num = len(unit)
    if num < 2:
        raise ValueError("one embedding makes no pair; uniformity needs at least two")
    total = 0.0
    pieces = torch.split(unit, ROWS_AT_ONCE)
    for i, part in enumerate(pieces):
        for j, other in enumerate(pieces):
            near = (2 * t * (part @ other.T).clamp(max=1) - 2 * t).exp()
            if i == j:
                near.fill_diagonal_(0)  # each with itself is no pair, and would drown a few far ones
            total += float(near.sum(dtype=torch.float64))
    return float(np.log(total / (num * (num - 1))))


def alignment(one: Vectors, other: Vectors, alpha: float = 2.0) -> float:
    """The mean of |x - y|^alpha over the two views of each picture at unit length: 0 where views do not matter.

    Wang & Isola 2020 (arXiv:2005.10242, equation 2). Embeddings of one view each, (num, dim), in the same order.

    Raises:
        ValueError: the two are not of the same shape.
    """
    if one.shape != other.shape:
        raise ValueError(f"the views have the shapes {one.shape} and {other.shape}; give two of the same pictures")
    apart = unit_rows(checked(one, "first views")) - unit_rows(checked(other, "second views"))
    return float((np.linalg.norm(apart, axis=1).astype(np.float64) ** alpha).mean())


def deviations(embeddings: Vectors) -> NDArray[np.float64]:
    """The standard deviation of every dimension at unit length, times sqrt(dim): (dim,).

    About 1 on average where embeddings spread over the sphere, 0 where a dimension says nothing (SimSiam, Chen & He
    2021, arXiv:2011.10566, section 4.1).
    """
    unit = unit_rows(checked(embeddings, "embeddings"))
    spread: NDArray[np.float64] = unit.std(axis=0, dtype=np.float64) * np.sqrt(unit.shape[1])
    return spread


def embed_two_views(
    encoder: Encoder,
    pixels: Pixels,
    augmentation: Augmentation,
    device: torch.device,
    seed: int = 0,
    batch_size: int = 64,
) -> tuple[Vectors, Vectors]:
    """Embeddings (num, dim) of two random views of each picture (num, 3, h, w); the same views for the same seed."""
    encoder = encoder.to(device).eval()
    views: tuple[list[Vectors], list[Vectors]] = ([], [])
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for start in range(0, len(pixels), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size])).to(device)
            for side in views:
                side.append(encoder(random_view(batch, augmentation)).cpu().numpy())
    one, other = (np.concatenate(side) for side in views)
    return one, other


def _pieces(embeddings: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        yield embeddings[start : start + ROWS_AT_ONCE]
