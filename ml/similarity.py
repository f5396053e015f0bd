"""Similarity: an index that finds the nearest embeddings by cosine, exact for few, compressed for many.

Fewer than `exact_below` vectors are kept as they are and compared with all. More are sorted into lists about k-means
centroids (IVF). In the lists nearest to a query, product-quantised residuals (4-bit codes that SIMD registers look up:
André et al. 2018, arXiv:1812.09162) shortlist `refine_factor` times as many as wanted, and their 16-bit values decide
(Jégou et al. 2011, "Product quantization for nearest neighbor search"; faiss: Douze et al. 2024, arXiv:2401.08281).
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from ml.artefacts import write_flushed
from ml.file_digests import file_sha256
from ml.neighbours import Neighbours, require_k
from ml.vectors import Vectors, checked, unit_rows

INDEX_FILE, FACTS_FILE = "index.faiss", "index.json"
ROWS_AT_ONCE = 16_384

# Gives all the embeddings anew, in batches, whenever it is called: so none need be held at once.
Batches = Callable[[], Iterable[Vectors]]


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """How an index is built and searched; more probes and a larger refine factor find more and take longer."""

    exact_below: int = 100_000
    lists_per_root: float = 4.0  # lists are so many times the root of the number of vectors
    max_lists: int = 16_384
    training_per_list: int = 40  # vectors that k-means sees for each centroid
    max_training: int = 400_000
    dims_per_code: int = 2  # dimensions that one code of 4 bits stands for
    num_probes: int = 32  # lists looked through for a query
    refine_factor: int = 24
    min_shortlist: int = 240  # whatever few are wanted
    seed: int = 0


class SimilarityIndex:
    """The nearest of indexed embeddings for any query; a position is the row at which an embedding was given."""

    def __init__(self, index: Any, settings: IndexSettings) -> None:
        self.settings = settings
        self.kind = "flat" if isinstance(index, faiss.IndexFlat) else "ivf-pq"
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """The dimension of what it holds."""
        return int(self._index.d)

    def search(self, vectors: Vectors, k: int) -> Neighbours:
        """The `k` nearest of each vector (num, dim), nearest first; an indexed vector is its own nearest.

        Raises:
            ValueError: another dimension, NaN, nothing to search for, or `k` not within 1..len.
        """
        queries = unit_rows(checked(vectors, "queries", self.dim))
        require_k(k, len(self))
        if self.kind == "flat":
            return Neighbours(*self._index.search(queries, k))
        similarities, positions = self._index.search(queries, k, params=self._parameters(self.settings.num_probes, k))
        short = (positions < 0).any(axis=1)
        if short.any():  # the lists nearest to these hold fewer than k: look through all
            every = self._parameters(faiss.extract_index_ivf(self._index).nlist, k)
            similarities[short], positions[short] = self._index.search(queries[short], k, params=every)
        return Neighbours(similarities, positions)

    def save(self, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write `index.faiss` and `index.json` (these facts and ours, which are returned), both or neither new.

        A crash between the two renames leaves a pair that does not match, which loading refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: folder / f".{name}.{os.getpid()}.part" for name in (INDEX_FILE, FACTS_FILE)}
        try:
            faiss.write_index(self._index, str(parts[INDEX_FILE]))
            with parts[INDEX_FILE].open("rb") as file:
                os.fsync(file.fileno())
            own = {
                "kind": self.kind,
                "num_vectors": len(self),
                "dim": self.dim,
                "bytes": parts[INDEX_FILE].stat().st_size,
                "settings": asdict(self.settings),
                "sha256": file_sha256(parts[INDEX_FILE]),
            }
            written = {**facts, **own}
            write_flushed(parts[FACTS_FILE], (json.dumps(written, indent=2, sort_keys=True) + "\n").encode())
            for name, part in parts.items():
                part.replace(folder / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
        return written

    @classmethod
    def load(cls, folder: Path, made_from: Mapping[str, str]) -> "SimilarityIndex":
        """The index of a folder, if its facts carry exactly these fingerprints of what it has to be made from.

        Raises:
            FileNotFoundError: the folder holds no index.
            ValueError: it was made from something else, or the file is not the one that its facts describe.
        """
        for name in (FACTS_FILE, INDEX_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} holds no {name}; build the index first, or give another folder")
        facts = json.loads((folder / FACTS_FILE).read_text())
        for name, sha256 in made_from.items():
            if facts.get(name) != sha256:
                raise ValueError(
                    f"the index in {folder} was made from {name} {str(facts.get(name))[:12]}..., not from "
                    f"{sha256[:12]}...; build it again"
                )
        sha256 = file_sha256(folder / INDEX_FILE)
        if sha256 != facts["sha256"]:
            raise ValueError(
                f"{folder / INDEX_FILE} has the fingerprint {sha256[:12]}..., but {FACTS_FILE} was written for "
                f"{facts['sha256'][:12]}...; build it again"
            )
        return cls(faiss.read_index(str(folder / INDEX_FILE)), IndexSettings(**facts["settings"]))

    def _parameters(self, num_probes: int, k: int) -> Any:
        shortlist = max(self.settings.refine_factor * k, self.settings.min_shortlist)
        return faiss.IndexRefineSearchParameters(
            k_factor=shortlist / k, base_index_params=faiss.SearchParametersIVF(nprobe=num_probes)
        )


def build_index(batches: Batches, num: int, dim: int, settings: IndexSettings | None = None) -> SimilarityIndex:
    """The index of `num` embeddings of dimension `dim`, which are read twice; memory holds a batch and the index.

    Raises:
        ValueError: there is no embedding, not `num` of them, or one has another dimension or NaN.
    """
    settings = settings or IndexSettings()
    if num < 1:
        raise ValueError(f"there are {num} embeddings to index; give at least one")
    index = faiss.IndexFlatIP(dim)
    if num >= settings.exact_below:
        index = _compressed(num, dim, settings)
        index.train(unit_rows(rows_at(batches, _training_rows(num, settings), dim)))
    for batch in batches():
        for start in range(0, len(batch), ROWS_AT_ONCE):
            index.add(unit_rows(checked(batch[start : start + ROWS_AT_ONCE], "embeddings", dim)))
    if index.ntotal != num:
        raise ValueError(f"{index.ntotal:,} embeddings came, {num:,} were announced; give them again, all the same")
    return SimilarityIndex(index, settings)


def rows_at(batches: Batches, positions: NDArray[np.int64], dim: int) -> Vectors:
    """The embeddings (num, dim) at these positions, ascending, read in one pass."""
    found = np.empty((len(positions), dim), dtype=np.float32)
    first = 0
    for batch in batches():
        inside = slice(*np.searchsorted(positions, [first, first + len(batch)]))
        if inside.start < inside.stop:
            found[inside] = checked(batch[positions[inside] - first], "embeddings", dim)
        first += len(batch)
    return found


def in_batches(embeddings: Vectors, rows: int = ROWS_AT_ONCE) -> Batches:
    """Embeddings that are held, or mapped from a file, as batches."""

    def batches() -> Iterator[Vectors]:
        for start in range(0, len(embeddings), rows):
            yield embeddings[start : start + rows]

    return batches


def _compressed(num: int, dim: int, settings: IndexSettings) -> Any:
    num_codes = dim // settings.dims_per_code if dim % settings.dims_per_code == 0 else dim
    structure = f"IVF{_num_lists(num, settings)},PQ{num_codes}x4fs,Refine(SQfp16)"
    index = faiss.index_factory(dim, structure, faiss.METRIC_INNER_PRODUCT)
    clustering = faiss.extract_index_ivf(index).cp
    clustering.seed, clustering.niter = settings.seed, 8
    clustering.min_points_per_centroid = 1  # quiet: how many there are is decided here
    return index


def _num_lists(num: int, settings: IndexSettings) -> int:
    return max(1, min(settings.max_lists, num, round(settings.lists_per_root * math.sqrt(num))))


def _training_rows(num: int, settings: IndexSettings) -> NDArray[np.int64]:
    """Positions of the vectors that centroids and codes are learned from, ascending."""
    wanted = min(num, settings.max_training, settings.training_per_list * _num_lists(num, settings))
    rows: NDArray[np.int64] = np.sort(np.random.default_rng(settings.seed).choice(num, wanted, replace=False))
    return rows
