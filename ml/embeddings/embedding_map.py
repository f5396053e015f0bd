"""Embedding map: two-dimensional coordinates of embeddings by PCA and t-SNE, for plots."""

import numpy as np
from numpy.typing import NDArray

from ml.vectors import Vectors, checked, unit_rows

MIN_FOR_TSNE = 10
NUM_COMPONENTS = 50  # input dimensions of t-SNE (van der Maaten and Hinton 2008, section 4.2); more only cost time
PERPLEXITY = 30.0


def map_embeddings(embeddings: Vectors, seed: int = 0) -> NDArray[np.float64]:
    """Projects normalized embeddings to two dimensions: principal components, then t-SNE initialized by them.

    Fewer than ten embeddings use principal components only. Some thousands take seconds; sample from more.

    Args:
        embeddings: (num, dim).
        seed: Equal seeds give equal maps.

    Returns:
        Coordinates (num, 2), float64.

    Raises:
        ValueError: There are no embeddings, or one has NaN.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    unit = unit_rows(checked(embeddings, "embeddings")).astype(np.float64)
    unit -= unit.mean(axis=0)
    num_components = min(NUM_COMPONENTS, *unit.shape)
    # PCA would divide by the variance, which is 0 if all embeddings are equal.
    components = PCA(num_components, random_state=seed).fit_transform(unit) if unit.any() else unit[:, :num_components]
    if len(unit) < MIN_FOR_TSNE or not components.any():
        flat = np.zeros((len(unit), 2))
        flat[:, : min(2, num_components)] = components[:, :2]
        return flat
    start = np.zeros((len(unit), 2))
    start[:, : min(2, num_components)] = components[:, :2] / components[:, 0].std() * 1e-4
    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    coordinates: NDArray[np.float64] = TSNE(
        perplexity=perplexity, init=start, learning_rate="auto", random_state=seed
    ).fit_transform(components)
    return coordinates
