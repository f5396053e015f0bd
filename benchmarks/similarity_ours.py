"""Builds or searches an index in its own process.

python -m benchmarks.similarity_ours build|search FOLDER
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import faiss
import numpy as np

from benchmarks.similarity_rows import DIM, EMBEDDINGS, QUERIES, batches
from ml.embeddings.similarity_index import SimilarityIndex, build_index

NUM_THREADS = 2
K = 10
QUERIES_PER_BATCH = 1_000
NUM_ROUNDS = 5  # over all queries; the median counts
FOUND, BUILT, SEARCHED = "found.npy", "built.json", "searched.json"


def build(folder: Path) -> None:
    """Builds and saves the index; writes seconds and bytes to `built.json`."""
    started = time.perf_counter()
    num = (folder / EMBEDDINGS).stat().st_size // (4 * DIM)
    index = build_index(partial(batches, folder), num, DIM)
    built_s = time.perf_counter() - started
    metadata = index.save(folder / "index", {})
    (folder / BUILT).write_text(json.dumps({"build_s": built_s, "bytes": metadata["bytes"], "kind": metadata["kind"]}))


def search(folder: Path) -> None:
    """Searches all queries in batches; writes positions to `found.npy` and seconds to `searched.json`."""
    started = time.perf_counter()
    index = SimilarityIndex.load(folder / "index", {})
    load_s = time.perf_counter() - started
    queries = np.load(folder / QUERIES)
    index.search(queries[:QUERIES_PER_BATCH], K)  # warm-up: the first search touches every page
    rounds_s = []
    for _ in range(NUM_ROUNDS):
        started = time.perf_counter()
        found = [
            index.search(queries[start : start + QUERIES_PER_BATCH], K).positions
            for start in range(0, len(queries), QUERIES_PER_BATCH)
        ]
        rounds_s.append(time.perf_counter() - started)
    np.save(folder / FOUND, np.concatenate(found))
    single = queries[:200, None]
    started = time.perf_counter()
    for query in single:
        index.search(query, K)
    one_ms = (time.perf_counter() - started) / len(single) * 1000
    (folder / SEARCHED).write_text(json.dumps({"load_s": load_s, "search_s": median(rounds_s), "one_ms": one_ms}))


if __name__ == "__main__":
    faiss.omp_set_num_threads(NUM_THREADS)
    {"build": build, "search": search}[sys.argv[1]](Path(sys.argv[2]))
