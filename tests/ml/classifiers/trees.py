"""Random taxonomies as labels: every id has one parent."""

import numpy as np
from numpy.typing import NDArray


def tree_labels(seed: int, num: int = 20, num_levels: int = 4) -> NDArray[np.int64]:
    """Labels (num, num_levels), with ids unique over the levels, some with several children, some with one."""
    rng = np.random.default_rng(seed)
    paths = [[1_000]]
    labels = np.empty((num, num_levels), dtype=np.int64)
    parent_of: dict[int, int] = {}
    for level in range(num_levels):
        ids = (level + 1) * 1_000 + rng.choice(900, int(rng.integers(1, 4)) * (level + 1), replace=False)
        for id_ in ids:
            parent_of[int(id_)] = int(rng.choice(paths[-1]))
        paths.append([int(id_) for id_ in ids])
    leaves = rng.choice(paths[-1], num)
    labels[:, -1] = leaves
    for level in range(num_levels - 2, -1, -1):
        labels[:, level] = [parent_of[int(child)] for child in labels[:, level + 1]]
    return labels
