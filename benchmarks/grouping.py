"""Grouping: duplicate groups and splits of 36 million products in bounded memory, checked against known origins.

make bench NAME=grouping
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.grouping_rows import IMAGES, LARGEST_FAMILY, ORIGINS, generate, thumbnails_of
from benchmarks.peers import BENCH
from benchmarks.processes import measure
from catalog.dataset.splits import split_of
from catalog.dataset.thumbnails import MAX_DIFFERENCE, MIN_DIFFERENCE, SHARE_OF_RANGE

MAX_MIB = 4 * 1024
NUM_SAMPLED = 20_000  # rows grouped by comparing all pairs, and whose splits are computed one by one


def main() -> None:
    """Generates, groups in a fresh process, checks and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=36_000_000)
    num_rows = parser.parse_args().rows
    BENCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="grouping-", dir=BENCH) as name:
        folder = Path(name)
        generate(folder, num_rows)
        print(f"generated {num_rows:,} rows", flush=True)
        took = measure([sys.executable, "-m", "benchmarks.grouping_ours", name], folder / "log", {"TMPDIR": name})
        figures = json.loads((folder / "figures.json").read_text())
        print(took, figures, flush=True)
        named = f"{num_rows // 1_000_000} million products"
        claims = [
            at_most(f"{named} grouped, split and written: peak memory", took.peak_mib, MAX_MIB, "MiB"),
            figure(f"{named} grouped, split and written", took.wall_s, "s"),
            figure(f"of which near pairs among {figures['num_thumbnails']:,} thumbnails", figures["near_s"], "s"),
            *checked(folder, num_rows, figures["largest"]),
        ]
    if num_rows == parser.get_default("rows"):
        publish("grouping", claims)
    else:
        print(*claims, sep="\n")


def checked(folder: Path, num_rows: int, largest: int) -> Iterator[Claim]:
    """Compares every group with the origins of its rows, and a sample with a comparison of all pairs."""
    origins = np.load(folder / ORIGINS, mmap_mode="r")
    groups = pl.scan_parquet(folder / "groups.parquet")
    number = pl.col("group_id").str.slice(11).cast(pl.Int32)
    found = groups.select(number).collect(engine="streaming")["group_id"].to_numpy()
    # The others are near copies of look-alikes with more than MAX_PER_HASH images of one hash.
    yield figure("share of copies in the group of their original", _share_found(origins, found), "")
    yield figure("largest group by hashes and pixels", largest, "images")
    yield at_most(
        "size of that group relative to the most copies of one image", largest / np.bincount(origins).max(), 1, "times"
    )

    splits = groups.select("group_id", "split").slice(num_rows - NUM_SAMPLED).collect()
    wrong = sum(split != split_of(group) for group, split in splits.iter_rows())
    yield at_most(f"{len(splits):,} splits: number that differs from the plain computation", wrong, 0, "")
    yield at_most("pairs of a sample grouped differently from comparing all with all", _num_wrong(folder, found), 0, "")


def _share_found(origins: np.ndarray, found: np.ndarray) -> float:
    copies = np.flatnonzero(origins != np.arange(len(origins), dtype=np.int32))
    return float((found[copies] == found[origins[copies]]).mean())


def _num_wrong(folder: Path, found: np.ndarray) -> int:
    """Counts, among the largest family and further rows, those grouped differently than by comparing all pairs."""
    dhash = pl.read_parquet(folder / IMAGES, columns=["dhash"])["dhash"]
    family = dhash.value_counts().sort("count", descending=True)["dhash"][0]
    alike = (dhash == family).arg_true().head(LARGEST_FAMILY).to_numpy()
    copies = np.flatnonzero(found != np.arange(len(found), dtype=np.int32))[: NUM_SAMPLED - len(alike)]
    rows = np.unique(np.concatenate([alike, copies, found[copies]]))
    hashes = dhash.to_numpy()[rows]
    fine = thumbnails_of(folder, rows.astype(np.int32)).reshape(len(rows), -1)
    limits = np.clip(SHARE_OF_RANGE * np.ptp(fine, axis=1), MIN_DIFFERENCE, MAX_DIFFERENCE)
    centered = fine - fine.mean(axis=1, dtype=np.float32, keepdims=True)
    slow = np.arange(len(rows))
    for i in range(len(rows)):
        near = i + 1 + np.flatnonzero(np.bitwise_count(hashes[i + 1 :] ^ hashes[i]) <= 4)
        same = np.abs(centered[near] - centered[i]).max(axis=1, initial=0.0) <= np.minimum(limits[near], limits[i])
        for j in near[same]:
            old, new = max(slow[i], slow[j]), min(slow[i], slow[j])
            slow[slow == old] = new
    return int(np.count_nonzero(found[rows] != found[rows[slow]]))


if __name__ == "__main__":
    main()
