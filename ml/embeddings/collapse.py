"""Collapse metrics: how many dimensions embeddings use and how evenly they spread. They need no labels."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ml.encoders.encoder import Encoder, forward_batch_size
from ml.pixels import Pixels
from ml.recipe_types import Augmentation
from ml.vectors import Vectors, checked, unit_rows
from ml.views import random_view

EPSILON = 1e-7  # as in RankMe, for float32
ROWS_AT_ONCE = 4096  # 64 MiB of pairwise distances


def effective_rank(embeddings: Vectors) -> float:
    """Computes RankMe, the exponential of the entropy of the normalized singular values.

    The singular values come from the Gram matrix (dim, dim) in float64, so memory does not grow with the images.

    Args:
        embeddings: (num, dim), not centered.

    Returns:
        Between 1 (all embeddings on a line) and min(num, dim).

    Source:
        Garrido et al. 2023, arXiv:2210.02885, equation 1.
    """
    checked(embeddings, "embeddings")
    dim = embeddings.shape[1]
    products = np.zeros((dim, dim))
    for part in _chunks(embeddings):
        exact = part.astype(np.float64)
        products += exact.T @ exact
    singular = np.sqrt(np.linalg.eigvalsh(products).clip(min=0))
    if not singular.any():
        return 1.0  # all embeddings are zero, a single point
    shares = singular / singular.sum() + EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))


def uniformity(embeddings: Vectors, t: float = 2.0) -> float:
    """Computes log mean exp(-t |x - y|^2) over all pairs of normalized embeddings, in time quadratic in their number.

    Args:
        embeddings: (num, dim), at least two.
        t: Sharpness of the Gaussian potential.

    Returns:
        0 for a single point, more negative for a more even spread.

    Raises:
        ValueError: There is only one embedding.

    Source:
        Wang and Isola 2020, arXiv:2005.10242, equation 3.
    """
    unit = torch.from_numpy(unit_rows(checked(embeddings, "embeddings")))
    num = len(unit)
    if num < 2:
        raise ValueError("one embedding makes no pair; uniformity needs at least two")
    total = 0.0
    chunks = torch.split(unit, ROWS_AT_ONCE)
    for i, part in enumerate(chunks):
        for j, other in enumerate(chunks):
            potential = (2 * t * (part @ other.T).clamp(max=1) - 2 * t).exp()
            if i == j:
                potential.fill_diagonal_(0)  # pairs of an embedding with itself
            total += float(potential.sum(dtype=torch.float64))
    return float(np.log(total / (num * (num - 1))))


def alignment(one: Vectors, other: Vectors, alpha: float = 2.0) -> float:
    """Computes the mean |x - y|^alpha over the two views of each image, normalized; 0 for views with equal embeddings.

    Args:
        one: Embeddings of the first views, (num, dim).
        other: Embeddings of the second views of the same images, (num, dim).
        alpha: Exponent of the distance.

    Raises:
        ValueError: The shapes differ.

    Source:
        Wang and Isola 2020, arXiv:2005.10242, equation 2.
    """
    if one.shape != other.shape:
        raise ValueError(f"the views have the shapes {one.shape} and {other.shape}; give two of the same images")
    difference = unit_rows(checked(one, "first views")) - unit_rows(checked(other, "second views"))
    return float((np.linalg.norm(difference, axis=1).astype(np.float64) ** alpha).mean())


def deviations(embeddings: Vectors) -> NDArray[np.float64]:
    """Computes the standard deviation of each dimension of normalized embeddings, times sqrt(dim).

    Args:
        embeddings: (num, dim).

    Returns:
        (dim,), float64; about 1 on average if embeddings spread over the sphere, 0 for a constant dimension.

    Source:
        SimSiam, Chen and He 2021, arXiv:2011.10566, section 4.1.
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
) -> tuple[Vectors, Vectors]:
    """Computes the embeddings of two random views of each image.

    Args:
        encoder: Is moved to `device` and set to evaluation mode.
        pixels: (num, 3, height, width), uint8.
        augmentation: The distribution of views.
        device: The device that computes.
        seed: Equal seeds give equal views.

    Returns:
        Embeddings of the first and of the second views, each (num, dim), float32.
    """
    encoder = encoder.to(device).eval()
    batch_size = forward_batch_size(device, *pixels.shape[2:])
    views: tuple[list[Vectors], list[Vectors]] = ([], [])
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for start in range(0, len(pixels), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size])).to(device)
            for side in views:
                side.append(encoder(random_view(batch, augmentation)).cpu().numpy())
    one, other = (np.concatenate(side) for side in views)
    return one, other


def _chunks(embeddings: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        yield embeddings[start : start + ROWS_AT_ONCE]
