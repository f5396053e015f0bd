"""Similarity: a million embeddings of 512 dimensions indexed and searched on two cores, judged by exact search.

make bench NAME=similarity
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from benchmarks.claims import Claim, at_least, beside, figure, publish
from benchmarks.peers import BENCH
from benchmarks.processes import Measured, measure
from benchmarks.similarity_ours import BUILT, FOUND, NUM_THREADS, QUERIES_PER_BATCH, SEARCHED, K
from benchmarks.similarity_rows import DIM, QUERIES, batches, generate
from ml.similarity import IndexSettings, build_index

NUM_QUERIES, NUM_JUDGED = 20_000, 2_000
MIN_RECALL, MIN_QUERIES_PER_S = 0.95, 5_000


def main() -> None:
    """Generate, build and search in fresh processes, search exactly, publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    num_rows = parser.parse_args().rows
    BENCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="similarity-", dir=BENCH) as place:
        folder = Path(place)
        generate(folder, num_rows, NUM_QUERIES)
        print(f"generated {num_rows:,} embeddings", flush=True)
        command = [sys.executable, "-m", "benchmarks.similarity_ours"]
        built = measure([*command, "build", place], folder / "log")
        searched = measure([*command, "search", place], folder / "log")
        claims = list(claimed(folder, num_rows, built, searched))
    if num_rows == parser.get_default("rows"):
        publish("similarity", claims)
    else:
        print(*claims, sep="\n")


def claimed(folder: Path, num_rows: int, built: Measured, searched: Measured) -> Iterator[Claim]:
    """What building and searching took, and what was found beside what there is to find."""
    made, took = (json.loads((folder / name).read_text()) for name in (BUILT, SEARCHED))
    named = f"{num_rows:,} embeddings of {DIM} dimensions"
    queries, found = np.load(folder / QUERIES)[:NUM_JUDGED], np.load(folder / FOUND)[:NUM_JUDGED]
    faiss.omp_set_num_threads(NUM_THREADS)
    flat = build_index(partial(batches, folder), num_rows, DIM, IndexSettings(exact_below=num_rows + 1))
    started = time.perf_counter()
    exact = flat.search(queries, K).positions
    exact_s = time.perf_counter() - started
    recall = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(exact.tolist(), found.tolist(), strict=True)]))
    per_s = NUM_QUERIES / took["search_s"]
    yield at_least(f"{named}: recall@{K} of new queries ({made['kind']})", recall, MIN_RECALL, "")
    yield at_least(f"{named}: queries in batches of {QUERIES_PER_BATCH:,}", per_s, MIN_QUERIES_PER_S, "queries/s")
    yield beside(f"{named}: against an exact search in memory", per_s, NUM_JUDGED / exact_s, "queries/s")
    yield figure(f"{named}: one query alone", took["one_ms"], "ms")
    yield figure(f"{named}: index built", made["build_s"], "s")
    yield figure(f"{named}: peak memory while building", built.peak_mib, "MiB")
    yield figure(f"{named}: peak memory while searching", searched.peak_mib, "MiB")
    yield figure(f"{named}: the index's file", made["bytes"] / num_rows, "bytes an embedding")


if __name__ == "__main__":
    main()
