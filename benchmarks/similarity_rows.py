"""Generated embeddings of a catalogue: clustered as products are, correlated as the outputs of an encoder are.

A product's embedding is a sum of draws down a tree: 21 categories at the top, 200 below, 3,000 leaves of sizes by
Zipf's law, designs (eight pictures each on average: colours, angles, sellers), and the picture itself; each draw is
smaller than the one above. All draws are Gaussian with the same spectrum, in which the i-th direction has the variance
1/i, so most of it lies in few directions, as in networks' outputs; and a random rotation spreads these over all
dimensions, as no single channel holds one. In the end each has length one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIM = 512
EMBEDDINGS, QUERIES = "embeddings.f32", "queries.npy"
ROWS_AT_ONCE = 16_384

_NUM_TOPS, _NUM_MIDDLES, _NUM_LEAVES, _PICTURES_PER_DESIGN = 21, 200, 3_000, 8
_TOP, _MIDDLE, _LEAF, _DESIGN, _PICTURE = 1.0, 0.8, 0.7, 0.6, 0.35  # sizes of the draws

Floats = NDArray[np.float32]


def generate(folder: Path, num_rows: int, num_queries: int) -> None:
    """Write `embeddings.f32` (num_rows x 512, raw) and `queries.npy`: further pictures of the same designs."""
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
    num_designs = max(1, num_rows // _PICTURES_PER_DESIGN)
    designs = np.empty((num_designs, DIM), dtype=np.float32)
    for start in range(0, num_designs, ROWS_AT_ONCE):
        part = designs[start : start + ROWS_AT_ONCE]
        part[:] = leaves[rng.choice(_NUM_LEAVES, len(part), p=sizes / sizes.sum())] + draw(len(part), _DESIGN)

    def pictures(num: int) -> Floats:
        shown: Floats = (designs[rng.integers(0, num_designs, num)] + draw(num, _PICTURE)) @ rotation
        return shown / np.linalg.norm(shown, axis=1, keepdims=True)

    with (folder / EMBEDDINGS).open("wb") as file:
        for start in range(0, num_rows, ROWS_AT_ONCE):
            pictures(min(ROWS_AT_ONCE, num_rows - start)).tofile(file)
    np.save(folder / QUERIES, pictures(num_queries))


def batches(folder: Path) -> Iterator[Floats]:
    """The embeddings, read anew; not mapped, or what the system caches would count as memory."""
    with (folder / EMBEDDINGS).open("rb") as file:
        while len(part := np.fromfile(file, dtype=np.float32, count=ROWS_AT_ONCE * DIM)):
            yield part.reshape(-1, DIM)
