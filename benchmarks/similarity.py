"""Similarity index: builds and searches a million embeddings of 512 dimensions, compared with exact search.

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
from ml.embeddings.similarity_index import IndexSettings, build_index

NUM_QUERIES, NUM_EVALUATED = 20_000, 2_000
MIN_RECALL, MIN_QUERIES_PER_S = 0.95, 5_000


def main() -> None:
    """Generates embeddings, builds and searches the index in separate processes, searches exactly, and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    num_rows = parser.parse_args().rows
    BENCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="similarity-", dir=BENCH) as name:
        folder = Path(name)
        generate(folder, num_rows, NUM_QUERIES)
        print(f"generated {num_rows:,} embeddings", flush=True)
        command = [sys.executable, "-m", "benchmarks.similarity_ours"]
        built = measure([*command, "build", name], folder / "log")
        searched = measure([*command, "search", name], folder / "log")
        claims = list(claims_of(folder, num_rows, built, searched))
    if num_rows == parser.get_default("rows"):
        publish("similarity", claims)
    else:
        print(*claims, sep="\n")


def claims_of(folder: Path, num_rows: int, built: Measured, searched: Measured) -> Iterator[Claim]:
    """Yields the claims of a build and a search: recall against exact search, speed, memory and size."""
    build, search = (json.loads((folder / name).read_text()) for name in (BUILT, SEARCHED))
    named = f"{num_rows:,} embeddings of {DIM} dimensions"
    queries, found = np.load(folder / QUERIES)[:NUM_EVALUATED], np.load(folder / FOUND)[:NUM_EVALUATED]
    faiss.omp_set_num_threads(NUM_THREADS)
    flat = build_index(partial(batches, folder), num_rows, DIM, IndexSettings(exact_below=num_rows + 1))
    started = time.perf_counter()
    exact = flat.search(queries, K).positions
    exact_s = time.perf_counter() - started
    recall = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(exact.tolist(), found.tolist(), strict=True)]))
    per_s = NUM_QUERIES / search["search_s"]
    yield at_least(f"{named}: recall@{K} of new queries ({build['kind']})", recall, MIN_RECALL, "")
    yield at_least(f"{named}: queries in batches of {QUERIES_PER_BATCH:,}", per_s, MIN_QUERIES_PER_S, "queries/s")
    yield beside(f"{named}: against an exact search in memory", per_s, NUM_EVALUATED / exact_s, "queries/s")
    yield figure(f"{named}: a single query", search["one_ms"], "ms")
    yield figure(f"{named}: index built", build["build_s"], "s")
    yield figure(f"{named}: peak memory while building", built.peak_mib, "MiB")
    yield figure(f"{named}: peak memory while searching", searched.peak_mib, "MiB")
    yield figure(f"{named}: the index's file", build["bytes"] / num_rows, "bytes an embedding")


if __name__ == "__main__":
    main()
