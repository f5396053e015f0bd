"""Generated predictions: a synthetic taxonomy whose leaf sizes follow Zipf's law, with predictions of its leaves."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

from catalog.storage.files import write_parquet
from catalog.taxonomy.tree import Taxonomy

BRANCHES = (20, 10, 5, 3)  # children at each level: 3,000 leaves
ACCURACY = 0.78
SHARE_NEAR = 0.85  # of the mistakes: among leaves of near numbers, mostly siblings
TOP_K = 5
ROWS_PER_FILE = 1_000_000


def taxonomy() -> Taxonomy:
    """Returns a taxonomy of twenty roots, 3,000 leaves and four levels, with ids in random order."""
    lines = [""]
    paths: list[str] = []
    for num in BRANCHES:
        lines = [f"{line} > N{n}" if line else f"N{n}" for line in lines for n in range(num)]
        paths += lines
    ids = np.random.default_rng(1).permutation(8_000)[: len(paths)] + 1
    return Taxonomy.parse("".join(f"{i} - {path}\n" for i, path in zip(ids, paths, strict=True)), "generated taxonomy")


def values(tree: Taxonomy) -> dict[int, float]:
    """Returns units sold by leaf, ordered differently than the number of images."""
    rng = np.random.default_rng(2)
    ranks = rng.permutation(len(tree.leaves)) + 1
    return {leaf: float(1e6 / rank) for leaf, rank in zip(tree.leaves, ranks, strict=True)}


def files_in(folder: Path) -> list[str]:
    """Returns the files of a folder, sorted."""
    return sorted(map(str, folder.glob("*.parquet")))


def write_predictions(folder: Path, num_rows: int, seed: int) -> None:
    """Writes the table `predictions` for `num_rows` products, a million a file; labels do not depend on the seed."""
    shutil.rmtree(folder, ignore_errors=True)
    tree = taxonomy()
    leaves = np.array(sorted(tree.leaves, key=tree.path))
    paths = np.array([tree.levels(int(leaf)) for leaf in leaves])
    labels, rng = np.random.default_rng(0), np.random.default_rng(seed)
    shares = 1 / (labels.permutation(len(leaves)) + 1)
    for start in range(0, num_rows, ROWS_PER_FILE):
        num = min(ROWS_PER_FILE, num_rows - start)
        true = labels.choice(len(leaves), num, p=shares / shares.sum())
        frame = pl.DataFrame({"product_id": [f"shop:{n}" for n in range(start, start + num)], "split": "golden"})
        best = _predictions(true, len(leaves), rng)
        sure = _probabilities(best[:, 0] == true, rng)
        for level in range(1, 5):
            ids = paths[best, level - 1]
            frame = frame.with_columns(
                pl.Series(f"true_{level}", paths[true, level - 1]),
                pl.Series(f"top_{level}", ids, dtype=pl.Array(pl.Int64, TOP_K)).cast(pl.List(pl.Int64)),
                pl.Series(f"probability_{level}", sure, dtype=pl.Array(pl.Float32, TOP_K)).cast(pl.List(pl.Float32)),
            )
        write_parquet(frame, UPath(folder / f"part-{start // ROWS_PER_FILE:05}.parquet"))


def _predictions(true: NDArray[np.int64], num_leaves: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns five leaves for each label, best first, (n, 5), mostly near ones."""
    near = np.clip(true[:, None] + np.rint(rng.standard_t(2, (len(true), TOP_K)) * 2).astype(int), 0, num_leaves - 1)
    far = rng.integers(num_leaves, size=near.shape)
    predicted = np.where(rng.random(near.shape) < SHARE_NEAR, near, far)
    right = rng.random(len(true)) < ACCURACY
    predicted[right, 0] = true[right]
    return predicted


def _probabilities(is_right: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns five falling probabilities, (n, 5); the first is high more often where the prediction is right."""
    first = rng.beta(np.where(is_right, 6.0, 2.5), 2.0)
    falls = np.array([0.5, 0.25, 0.125, 0.0625])
    rest = np.minimum((1 - first)[:, None] * falls, first[:, None])
    return np.hstack([first[:, None], rest]).astype(np.float32)
