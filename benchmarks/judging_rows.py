"""Predictions to be judged: a made taxonomy whose leaves differ in size as Zipf's law has it, and answers to match."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

from catalog.files import write_parquet
from catalog.taxonomy import Taxonomy

BRANCHES = (20, 10, 5, 3)  # children at each level: 3,000 leaves
ACCURACY = 0.78
SHARE_NEAR = 0.85  # of the mistakes: among leaves whose numbers lie close, which are kin mostly
TOP_K = 5
ROWS_PER_FILE = 1_000_000


def taxonomy() -> Taxonomy:
    """Twenty departments, 3,000 leaves, four levels, with ids as Google gives them: in no order."""
    lines = [""]
    paths: list[str] = []
    for num in BRANCHES:
        lines = [f"{line} > N{n}" if line else f"N{n}" for line in lines for n in range(num)]
        paths += lines
    ids = np.random.default_rng(1).permutation(8_000)[: len(paths)] + 1
    return Taxonomy.parse("".join(f"{i} - {path}\n" for i, path in zip(ids, paths, strict=True)), "made taxonomy")


def values(made: Taxonomy) -> dict[int, float]:
    """Units sold by leaf: of another order than the number of pictures."""
    rng = np.random.default_rng(2)
    ranks = rng.permutation(len(made.leaves)) + 1
    return {leaf: float(1e6 / rank) for leaf, rank in zip(made.leaves, ranks, strict=True)}


def files_in(folder: Path) -> list[str]:
    """The files of a folder, in their order."""
    return sorted(map(str, folder.glob("*.parquet")))


def write_predictions(folder: Path, num_rows: int, seed: int) -> None:
    """The predictions table of so many products, in files of a million rows; labels are the same for every seed."""
    shutil.rmtree(folder, ignore_errors=True)
    made = taxonomy()
    leaves = np.array(sorted(made.leaves, key=made.path))
    paths = np.array([made.levels(int(leaf)) for leaf in leaves])
    labels, rng = np.random.default_rng(0), np.random.default_rng(seed)
    shares = 1 / (labels.permutation(len(leaves)) + 1)
    for start in range(0, num_rows, ROWS_PER_FILE):
        num = min(ROWS_PER_FILE, num_rows - start)
        true = labels.choice(len(leaves), num, p=shares / shares.sum())
        frame = pl.DataFrame({"product_id": [f"shop:{n}" for n in range(start, start + num)], "split": "golden"})
        best = _answers(true, len(leaves), rng)
        sure = _probabilities(best[:, 0] == true, rng)
        for level in range(1, 5):
            ids = paths[best, level - 1]
            frame = frame.with_columns(
                pl.Series(f"true_{level}", paths[true, level - 1]),
                pl.Series(f"top_{level}", ids, dtype=pl.Array(pl.Int64, TOP_K)).cast(pl.List(pl.Int64)),
                pl.Series(f"probability_{level}", sure, dtype=pl.Array(pl.Float32, TOP_K)).cast(pl.List(pl.Float32)),
            )
        write_parquet(frame, UPath(folder / f"part-{start // ROWS_PER_FILE:05}.parquet"))


def _answers(true: NDArray[np.int64], num_leaves: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Five leaves for each label, best first, (n, 5): near ones mostly."""
    near = np.clip(true[:, None] + np.rint(rng.standard_t(2, (len(true), TOP_K)) * 2).astype(int), 0, num_leaves - 1)
    far = rng.integers(num_leaves, size=near.shape)
    answers = np.where(rng.random(near.shape) < SHARE_NEAR, near, far)
    right = rng.random(len(true)) < ACCURACY
    answers[right, 0] = true[right]
    return answers


def _probabilities(is_right: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Five probabilities for each answer, falling, (n, 5): the first is high more often where it is right."""
    first = rng.beta(np.where(is_right, 6.0, 2.5), 2.0)
    falls = np.array([0.5, 0.25, 0.125, 0.0625])
    rest = np.minimum((1 - first)[:, None] * falls, first[:, None])
    return np.hstack([first[:, None], rest]).astype(np.float32)
