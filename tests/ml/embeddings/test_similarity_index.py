"""Similarity: an index finds what an exact search finds, is saved whole, and loads only for what it was made from."""

import json
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.embeddings.index_recall import measure_recall
from ml.embeddings.neighbors import nearest
from ml.embeddings.similarity_index import (
    INDEX_FILE,
    METADATA_FILE,
    IndexSettings,
    SimilarityIndex,
    build_index,
    in_batches,
    read_rows,
)
from ml.vectors import Vectors
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")
COMPRESSED = IndexSettings(exact_below=500, num_probes=8)


def index_of(embeddings: Vectors, settings: IndexSettings | None = None) -> SimilarityIndex:
    return build_index(in_batches(embeddings, 300), *embeddings.shape, settings)


CLOUD = cloud(2_000, num_categories=20).vectors
LARGE = index_of(CLOUD, COMPRESSED)


@given(num=st.integers(1, 60), dim=st.integers(1, 9), data=st.data())
@settings(max_examples=40, deadline=None)
def test_few_vectors_are_searched_exactly(num: int, dim: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, num))
    embeddings, queries = noise(num, dim, seed=1), noise(5, dim, seed=2)
    index = index_of(embeddings)
    assert (index.kind, len(index), index.dim) == ("flat", num, dim)
    found, exact = index.search(queries, k), nearest(queries, embeddings, k, CPU)
    assert np.allclose(found.similarities, exact.similarities, atol=1e-5)


def test_many_are_compressed_and_nearly_all_true_neighbors_are_found() -> None:
    assert LARGE.kind == "ivf-pq"
    queries = cloud(200, num_categories=20, seed=1).vectors
    found, exact = LARGE.search(queries, 10), nearest(queries, CLOUD, 10, CPU)
    common = [len(set(a) & set(b)) for a, b in zip(found.positions, exact.positions, strict=True)]
    assert np.mean(common) > 9.5
    assert np.allclose(found.similarities[:, 0], exact.similarities[:, 0], atol=1e-2)


@pytest.mark.parametrize("settings", [None, COMPRESSED])
def test_an_indexed_vector_is_its_own_nearest_at_any_length(settings: IndexSettings | None) -> None:
    index = index_of(CLOUD, settings)
    found = index.search(CLOUD[:50] * 7, 1)
    assert found.positions[:, 0].tolist() == list(range(50))
    assert np.allclose(found.similarities, 1, atol=2e-3)


def test_where_the_nearest_lists_hold_too_few_all_are_searched() -> None:
    found = LARGE.search(CLOUD[:3], len(LARGE))
    assert [sorted(row) for row in found.positions.tolist()] == [list(range(len(LARGE)))] * 3
    assert (np.diff(found.similarities, axis=1) <= 1e-6).all()


def test_a_dimension_that_codes_do_not_divide_is_indexed_too() -> None:
    odd = noise(600, 25)
    assert index_of(odd, COMPRESSED).search(odd[:5], 1).positions[:, 0].tolist() == list(range(5))


def test_one_image_is_its_own_and_only_neighbor() -> None:
    found = index_of(noise(1)).search(noise(1), 1)
    assert found.positions.tolist() == [[0]]


def test_equal_vectors_are_all_found() -> None:
    same = np.repeat(noise(1), 12, axis=0)
    assert sorted(index_of(np.concatenate([same, noise(30, seed=3)])).search(same[:1], 12).positions[0]) == [*range(12)]


@pytest.mark.parametrize("settings", [None, COMPRESSED])
def test_the_same_embeddings_give_the_same_results(settings: IndexSettings | None) -> None:
    one, other = (index_of(CLOUD, settings).search(CLOUD[:20], 5) for _ in range(2))
    assert np.array_equal(one.positions, other.positions)


def test_bad_queries_and_k_beyond_the_index_are_refused() -> None:
    index = index_of(noise(5))
    with pytest.raises(ValueError, match="queries have 7 dimensions, expected 24"):
        index.search(noise(1, 7), 1)
    with pytest.raises(ValueError, match=r"k is 6, but there are 5 embeddings to search; give k within 1\.\.5"):
        index.search(noise(1), 6)
    with pytest.raises(ValueError, match=r"queries have the shape \(0, 24\)"):
        index.search(noise(0), 1)
    with pytest.raises(ValueError, match="1 of 1 queries have NaN"):
        index.search(np.full((1, 24), np.nan, dtype=np.float32), 1)


def test_bad_embeddings_are_refused_while_building() -> None:
    broken = noise(10)
    broken[4, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 10 embeddings have NaN or infinite numbers, the first at row 4"):
        index_of(broken)
    with pytest.raises(ValueError, match="there are 0 embeddings to index"):
        build_index(in_batches(noise(0)), 0, 24)
    with pytest.raises(ValueError, match="embeddings have 24 dimensions, expected 7"):
        build_index(in_batches(noise(3)), 3, 7)
    with pytest.raises(ValueError, match="got 3 embeddings, but num is 4"):
        build_index(in_batches(noise(3)), 4, 24)


@given(rows=st.integers(1, 50), wanted=st.sets(st.integers(0, 39), max_size=40))
def test_rows_are_gathered_from_batches_of_any_size(rows: int, wanted: set[int]) -> None:
    embeddings = noise(40)
    positions = np.array(sorted(wanted), dtype=np.int64)
    assert np.array_equal(read_rows(in_batches(embeddings, rows), positions, 24), embeddings[positions])


@pytest.mark.parametrize("settings", [None, COMPRESSED])
def test_a_saved_index_gives_the_same_results(tmp_path: Path, settings: IndexSettings | None) -> None:
    index = index_of(CLOUD, settings)
    facts = index.save(tmp_path, {"encoder_sha256": "e"})
    assert json.loads((tmp_path / METADATA_FILE).read_text()) == facts
    assert facts["bytes"] == (tmp_path / INDEX_FILE).stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX_FILE, METADATA_FILE]
    loaded = SimilarityIndex.load(tmp_path, {"encoder_sha256": "e"})
    assert (loaded.kind, loaded.settings) == (index.kind, index.settings)
    assert np.array_equal(loaded.search(CLOUD[:9], 5).positions, index.search(CLOUD[:9], 5).positions)


def test_an_index_of_another_encoder_is_refused(tmp_path: Path) -> None:
    index_of(noise(5)).save(tmp_path, {"encoder_sha256": "old"})
    with pytest.raises(ValueError, match=r"made from encoder_sha256 old\.\.\., not from new\.\.\.; build it again"):
        SimilarityIndex.load(tmp_path, {"encoder_sha256": "new"})
    with pytest.raises(ValueError, match=r"made from embeddings_sha256 None\.\.\., not from x"):
        SimilarityIndex.load(tmp_path, {"embeddings_sha256": "x"})


def test_a_file_that_is_not_the_one_described_is_refused(tmp_path: Path) -> None:
    index_of(noise(5)).save(tmp_path / "one", {})
    index_of(noise(6)).save(tmp_path / "other", {})
    (tmp_path / "one" / INDEX_FILE).write_bytes((tmp_path / "other" / INDEX_FILE).read_bytes())
    with pytest.raises(ValueError, match=r"was written for .* build it again"):
        SimilarityIndex.load(tmp_path / "one", {})


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} has no index.json"):
        SimilarityIndex.load(tmp_path, {})


def test_a_full_disk_leaves_the_old_index_standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_of(noise(5)).save(tmp_path, {})

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        index_of(noise(6)).save(tmp_path, {})
    assert len(SimilarityIndex.load(tmp_path, {})) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX_FILE, METADATA_FILE]


def recall(embeddings: Vectors, settings: IndexSettings | None = None, k: int = 10) -> float:
    return measure_recall(index_of(embeddings, settings), in_batches(embeddings, 300), CPU, k)


def test_an_exact_index_has_recall_one_also_among_equal_vectors_and_when_small() -> None:
    assert recall(CLOUD) == 1.0
    assert recall(np.repeat(noise(5), 20, axis=0)) == 1.0
    assert recall(noise(3)) == 1.0


def test_fewer_probes_and_no_refinement_lower_the_recall() -> None:
    spread = noise(2_000)
    careless = replace(COMPRESSED, num_probes=1, refine_factor=1, min_shortlist=1)
    careful = replace(COMPRESSED, num_probes=178, refine_factor=50)
    assert recall(spread, careless) < 0.6
    assert recall(spread, careful) > 0.99


def test_the_recall_is_the_share_of_the_true_neighbors_counted_by_hand() -> None:
    spread = noise(600)
    index = index_of(spread, replace(COMPRESSED, num_probes=2, refine_factor=2, min_shortlist=1))
    exact, found = nearest(spread, spread, 6, CPU), index.search(spread, 6)
    shares = []
    for own in range(600):
        true = [position for position in exact.positions[own] if position != own]
        got = [position for position in found.positions[own] if position != own][:5]
        shares.append(len(set(true) & set(got)) / 5)
    measured = measure_recall(index, in_batches(spread), CPU, k=5, num_queries=600)
    assert measured == pytest.approx(np.mean(shares), abs=1e-3)


def test_the_recall_of_one_embedding_is_not_defined() -> None:
    with pytest.raises(ValueError, match="one embedding, so recall is not defined"):
        recall(noise(1))


def test_the_index_is_an_ordinary_one_of_faiss(tmp_path: Path) -> None:
    LARGE.save(tmp_path, {})
    assert faiss.read_index(str(tmp_path / INDEX_FILE)).ntotal == 2_000
