"""Hierarchical distances: edges of the taxonomy between two categories, so that near mistakes count less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.taxonomy.tree import Taxonomy


def hierarchical_distances(category_ids: Sequence[int], taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """Returns the number of edges between every two of c categories through their lowest common ancestor, (c, c).

    Categories of different roots meet in a virtual node above all roots. Deng et al. 2010, "What does classifying more
    than 10,000 image categories tell us?", use the height of the common ancestor alone.

    Raises:
        TaxonomyError: the taxonomy lacks a category.
    """
    lineages = [taxonomy.lineage(int(category_id)) for category_id in category_ids]
    depths = np.array([len(lineage) for lineage in lineages], dtype=np.uint8)
    num_shared = np.zeros((len(lineages), len(lineages)), dtype=np.uint8)
    for depth in range(int(depths.max(initial=0))):
        # A node has one path, so equal ids at a depth mean equal ancestors all the way up to it.
        nodes = np.array([lineage[depth] if depth < len(lineage) else -1 for lineage in lineages])
        num_shared += (nodes[:, None] == nodes) & (nodes >= 0)
    distances: NDArray[np.uint8] = depths[:, None] + depths - 2 * num_shared
    return distances
