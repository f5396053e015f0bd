"""Similarity index: nearest embeddings by cosine, exact for small and compressed for large numbers of embeddings.

Fewer than `exact_below` vectors are stored unchanged and compared exhaustively. More are assigned to the inverted
lists of k-means centroids (IVF). In the lists nearest to a query, product-quantized residuals (4-bit codes; André et
al. 2018, arXiv:1812.09162) select a shortlist of `refine_factor` * k vectors, which their 16-bit values rank (Jégou et
al. 2011, "Product quantization for nearest neighbor search"; faiss: Douze et al. 2024, arXiv:2401.08281).
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

from ml.artifacts import write_flushed
from ml.embeddings.neighbors import Neighbors, check_k
from ml.file_digests import file_sha256
from ml.vectors import Vectors, checked, unit_rows

INDEX_FILE, METADATA_FILE = "index.faiss", "index.json"
ROWS_AT_ONCE = 16_384

# Yields all embeddings in batches at every call, so that they need not fit into memory.
Batches = Callable[[], Iterable[Vectors]]


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Settings for building and searching an index; more probes and a larger refine factor raise recall and time.

    Args:
        exact_below: Number of vectors below which the search is exhaustive.
        lists_per_root: Number of inverted lists divided by the square root of the number of vectors.
        max_lists: Maximal number of inverted lists.
        training_per_list: Vectors per centroid that k-means trains on.
        max_training: Maximal number of training vectors.
        dims_per_code: Dimensions that one 4-bit code quantizes.
        num_probes: Inverted lists that a query searches.
        refine_factor: Length of the shortlist divided by k.
        min_shortlist: Minimal length of the shortlist.
        seed: Seed of k-means and of the training sample.
    """

    exact_below: int = 100_000
    lists_per_root: float = 4.0
    max_lists: int = 16_384
    training_per_list: int = 40
    max_training: int = 400_000
    dims_per_code: int = 2
    num_probes: int = 32
    refine_factor: int = 24
    min_shortlist: int = 240
    seed: int = 0


class SimilarityIndex:
    """An index of embeddings; results are positions in the order in which embeddings were indexed."""

    def __init__(self, index: Any, settings: IndexSettings) -> None:
        self.settings = settings
        self.kind = "flat" if isinstance(index, faiss.IndexFlat) else "ivf-pq"
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """The dimension of the indexed embeddings."""
        return int(self._index.d)

    def search(self, vectors: Vectors, k: int) -> Neighbors:
        """Finds the `k` nearest neighbors of each vector (num, dim); an indexed vector is its own nearest.

        Raises:
            ValueError: The dimension differs, values are NaN, there are no vectors, or `k` is not within 1..len(self).
        """
        queries = unit_rows(checked(vectors, "queries", self.dim))
        check_k(k, len(self))
        if self.kind == "flat":
            return Neighbors(*self._index.search(queries, k))
        similarities, positions = self._index.search(queries, k, params=self._parameters(self.settings.num_probes, k))
        incomplete = (positions < 0).any(axis=1)
        if incomplete.any():  # the searched lists have fewer than k vectors: search all lists
            all_lists = self._parameters(faiss.extract_index_ivf(self._index).nlist, k)
            similarities[incomplete], positions[incomplete] = self._index.search(
                queries[incomplete], k, params=all_lists
            )
        return Neighbors(similarities, positions)

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Saves `index.faiss` and `index.json`; a crash in between leaves a mismatched pair, which `load` refuses.

        Args:
            folder: Is created if it does not exist.
            metadata: Further values for `index.json`, such as fingerprints of the inputs.

        Returns:
            The contents of `index.json`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: folder / f".{name}.{os.getpid()}.part" for name in (INDEX_FILE, METADATA_FILE)}
        try:
            faiss.write_index(self._index, str(parts[INDEX_FILE]))
            with parts[INDEX_FILE].open("rb") as file:
                os.fsync(file.fileno())
            index_metadata = {
                "kind": self.kind,
                "num_vectors": len(self),
                "dim": self.dim,
                "bytes": parts[INDEX_FILE].stat().st_size,
                "settings": asdict(self.settings),
                "sha256": file_sha256(parts[INDEX_FILE]),
            }
            written = {**metadata, **index_metadata}
            write_flushed(parts[METADATA_FILE], (json.dumps(written, indent=2, sort_keys=True) + "\n").encode())
            for name, part in parts.items():
                part.replace(folder / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
        return written

    @classmethod
    def load(cls, folder: Path, made_from: Mapping[str, str]) -> "SimilarityIndex":
        """Loads a saved index after comparing fingerprints.

        Args:
            folder: The folder of the index.
            made_from: Expected fingerprints by name in `index.json`, such as that of the embeddings.

        Raises:
            FileNotFoundError: The folder has no index.
            ValueError: A fingerprint differs, of an input or of the index file.
        """
        for name in (METADATA_FILE, INDEX_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} has no {name}; build the index first, or give another folder")
        metadata = json.loads((folder / METADATA_FILE).read_text())
        for name, sha256 in made_from.items():
            if metadata.get(name) != sha256:
                raise ValueError(
                    f"the index in {folder} was made from {name} {str(metadata.get(name))[:12]}..., not from "
                    f"{sha256[:12]}...; build it again"
                )
        sha256 = file_sha256(folder / INDEX_FILE)
        if sha256 != metadata["sha256"]:
            raise ValueError(
                f"{folder / INDEX_FILE} has the fingerprint {sha256[:12]}..., but {METADATA_FILE} was written for "
                f"{metadata['sha256'][:12]}...; build it again"
            )
        return cls(faiss.read_index(str(folder / INDEX_FILE)), IndexSettings(**metadata["settings"]))

    def _parameters(self, num_probes: int, k: int) -> Any:
        shortlist = max(self.settings.refine_factor * k, self.settings.min_shortlist)
        return faiss.IndexRefineSearchParameters(
            k_factor=shortlist / k, base_index_params=faiss.SearchParametersIVF(nprobe=num_probes)
        )


def build_index(batches: Batches, num: int, dim: int, settings: IndexSettings | None = None) -> SimilarityIndex:
    """Builds an index; memory holds one batch and the index.

    Args:
        batches: The embeddings, which are read twice.
        num: Number of embeddings.
        dim: Their dimension.
        settings: The defaults if None.

    Raises:
        ValueError: There are no embeddings, not exactly `num`, or one has another dimension or NaN.
    """
    settings = settings or IndexSettings()
    if num < 1:
        raise ValueError(f"there are {num} embeddings to index; give at least one")
    index = faiss.IndexFlatIP(dim)
    if num >= settings.exact_below:
        index = _compressed(num, dim, settings)
        index.train(unit_rows(read_rows(batches, _training_rows(num, settings), dim)))
    for batch in batches():
        for start in range(0, len(batch), ROWS_AT_ONCE):
            index.add(unit_rows(checked(batch[start : start + ROWS_AT_ONCE], "embeddings", dim)))
    if index.ntotal != num:
        raise ValueError(f"got {index.ntotal:,} embeddings, but num is {num:,}; pass the number of embeddings")
    return SimilarityIndex(index, settings)


def read_rows(batches: Batches, positions: NDArray[np.int64], dim: int) -> Vectors:
    """Reads the embeddings at ascending positions (num,) in one pass; returns (num, dim)."""
    found = np.empty((len(positions), dim), dtype=np.float32)
    first = 0
    for batch in batches():
        inside = slice(*np.searchsorted(positions, [first, first + len(batch)]))
        if inside.start < inside.stop:
            found[inside] = checked(batch[positions[inside] - first], "embeddings", dim)
        first += len(batch)
    return found


def in_batches(embeddings: Vectors, rows: int = ROWS_AT_ONCE) -> Batches:
    """Splits an array or memory map of embeddings into batches of `rows`."""

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
    clustering.min_points_per_centroid = 1  # silences a warning: `training_per_list` decides
    return index


def _num_lists(num: int, settings: IndexSettings) -> int:
    return max(1, min(settings.max_lists, num, round(settings.lists_per_root * math.sqrt(num))))


def _training_rows(num: int, settings: IndexSettings) -> NDArray[np.int64]:
    """Draws the ascending positions of the vectors that train centroids and codes."""
    num_training = min(num, settings.max_training, settings.training_per_list * _num_lists(num, settings))
    rows: NDArray[np.int64] = np.sort(np.random.default_rng(settings.seed).choice(num, num_training, replace=False))
    return rows
