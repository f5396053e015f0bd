"""A map of embeddings: two coordinates a picture, so that neighbours among the embeddings are neighbours there."""

import numpy as np
from numpy.typing import NDArray

from ml.vectors import Vectors, checked, unit_rows

MIN_FOR_TSNE = 10
NUM_COMPONENTS = 50  # what t-SNE is given; more only costs time (van der Maaten & Hinton 2008, section 4.2)
PERPLEXITY = 30.0


def map_of(embeddings: Vectors, seed: int = 0) -> NDArray[np.float64]:
    """Coordinates (num, 2) of embeddings (num, dim) by cosine: principal components, then t-SNE started from them.

    Fewer than ten pictures are placed by their principal components alone. Some thousands take seconds; more should be
    sampled.

    Raises:
        ValueError: there is no embedding, or one has NaN.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    unit = unit_rows(checked(embeddings, "embeddings")).astype(np.float64)
    unit -= unit.mean(axis=0)
    num_components = min(NUM_COMPONENTS, *unit.shape)
    # Where all embeddings are equal there is no variance to divide by.
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
