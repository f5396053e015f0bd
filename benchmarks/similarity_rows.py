"""Synthetic embeddings of a catalog: clustered like products, with correlated dimensions like an encoder's.

An embedding is a sum of draws along a tree: 21 top categories, 200 below, 3,000 leaves with sizes by Zipf's law,
designs (eight images each on average: colors, angles, sellers), and the image itself; each draw is smaller than the
one above. All draws are Gaussian with the same spectrum: the i-th direction has the variance 1/i, so most variance is
in few directions, as in outputs of networks. A random rotation spreads these directions over all dimensions. Finally
each embedding is normalized.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIM = 512
EMBEDDINGS, QUERIES = "embeddings.f32", "queries.npy"
ROWS_AT_ONCE = 16_384

_NUM_TOPS, _NUM_MIDDLES, _NUM_LEAVES, _IMAGES_PER_DESIGN = 21, 200, 3_000, 8
_TOP, _MIDDLE, _LEAF, _DESIGN, _IMAGE = 1.0, 0.8, 0.7, 0.6, 0.35  # standard deviations of the draws

Floats = NDArray[np.float32]


def generate(folder: Path, num_rows: int, num_queries: int) -> None:
    """Writes `embeddings.f32` (num_rows x 512, raw) and `queries.npy`, further images of the same designs."""
    rng = np.random.default_rng(25)
    spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    rotation = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)

    def draw(num: int, size: float) -> Floats:
        return size * spectrum * rng.standard_normal((num, DIM), dtype=np.float32)

    tops = draw(_NUM_TOPS, _TOP)
    middles = tops[rng.integers(0, _NUM_TOPS, _NUM_MIDDLES)] + draw(_NUM_MIDDLES, _MIDDLE)
    leaves = middles[rng.integers(0, _NUM_MIDDLES, _NUM_LEAVES)] + draw(_NUM_LEAVES, _LEAF)
    sizes = 1 / np.arange(1, _NUM_LEAVES + 1) ** 0.8
    num_designs = max(1, num_rows // _IMAGES_PER_DESIGN)
    designs = np.empty((num_designs, DIM), dtype=np.float32)
    for start in range(0, num_designs, ROWS_AT_ONCE):
        part = designs[start : start + ROWS_AT_ONCE]
        part[:] = leaves[rng.choice(_NUM_LEAVES, len(part), p=sizes / sizes.sum())] + draw(len(part), _DESIGN)

    def images(num: int) -> Floats:
        vectors: Floats = (designs[rng.integers(0, num_designs, num)] + draw(num, _IMAGE)) @ rotation
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    with (folder / EMBEDDINGS).open("wb") as file:
        for start in range(0, num_rows, ROWS_AT_ONCE):
            images(min(ROWS_AT_ONCE, num_rows - start)).tofile(file)
    np.save(folder / QUERIES, images(num_queries))


def batches(folder: Path) -> Iterator[Floats]:
    """Yields the embeddings, read instead of memory-mapped, since mapped pages would count as memory."""
    with (folder / EMBEDDINGS).open("rb") as file:
        while len(part := np.fromfile(file, dtype=np.float32, count=ROWS_AT_ONCE * DIM)):
            yield part.reshape(-1, DIM)
