"""Stored embeddings: read in batches and by position in the order of their rows, and refused where they are old."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resources.artifacts.embeddings import StoredEmbeddings
from resources.store import Store

ENCODER = "imagenet-lite0"
VECTORS = np.arange(1000 * 3, dtype=np.float32).reshape(1000, 3)
TABLE = pl.DataFrame(
    {"product_id": [f"hansen:{n}" for n in range(1000)], "sha256": [f"s{n // 2}" for n in range(1000)]}
).with_columns(embedding=pl.Series(VECTORS, dtype=pl.Array(pl.Float32, 3)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path))
    store.write(TABLE, "embeddings", ENCODER)
    store.write_json({"sha256": "new"}, "encoders", ENCODER, "encoder.json")
    write_record(store, encoder_sha256="new")
    return store


def write_record(store: Store, encoder_sha256: str) -> None:
    record = {"encoder_sha256": encoder_sha256, "version": "v"}
    store.write_json(record, "embeddings", f"encoder={ENCODER}", "embeddings.json")


def test_they_come_in_batches_in_the_order_of_their_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = StoredEmbeddings(store, ENCODER)
    assert stored.shape() == (1000, 3)
    monkeypatch.setattr("resources.artifacts.embeddings.BATCH_ROWS", 64)
    for _ in range(2):  # anew each time
        batches = list(stored.batches())
        assert max(map(len, batches)) <= 64
        assert np.array_equal(np.concatenate(batches), VECTORS)


def test_products_are_read_by_position_and_embeddings_by_product_in_order(store: Store) -> None:
    stored = StoredEmbeddings(store, ENCODER)
    positions = np.array([7, 3, 500, 7])
    products = stored.products_at(positions)
    assert products.equals(TABLE[positions].select("product_id", "sha256"))
    assert np.array_equal(stored.of(products), VECTORS[positions])


def test_products_without_an_embedding_are_counted_with_the_way_out(store: Store) -> None:
    products = pl.DataFrame({"product_id": ["hansen:1", "hansen:unknown", "jensen:1"]})
    with pytest.raises(ValueError, match=r"'imagenet-lite0' lack 2 images; materialize embeddings\[imagenet-lite0\]"):
        StoredEmbeddings(store, ENCODER).of(products)


def test_embeddings_of_an_older_encoder_are_refused(store: Store) -> None:
    write_record(store, encoder_sha256="old")
    with pytest.raises(ValueError, match=r"older version of it; materialize embeddings\[imagenet-lite0\]"):
        StoredEmbeddings(store, ENCODER)
    with pytest.raises(FileNotFoundError, match=r"materialize encoders\[random-mnv3\] first"):
        StoredEmbeddings(store, "random-mnv3")
