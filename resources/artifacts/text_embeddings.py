"""Stored title embeddings: the sentence encoder's embeddings of product titles, keyed by a hash of the title."""

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.store import Store

TABLE, RECORD = "title_embeddings", "title_embeddings.json"
Vectors = NDArray[np.float32]


def title_hash(title: str) -> str:
    """Returns a 128-bit hash of a title as hexadecimal text; a title with a known hash is not embedded again."""
    return blake2b(title.encode(), digest_size=16, person=b"shelfsight.title").hexdigest()


def titles_of(products: pl.DataFrame, catalog: pl.LazyFrame) -> pl.DataFrame:
    """Returns each product's title from its own delivery, in the order of `products`: product_id, title.

    `products` has product_id and delivery, `catalog` is the table `products`. A missing title is the empty string.
    """
    titles = catalog.select("product_id", "delivery", "title")
    wanted = products.lazy().select("product_id", "delivery")
    joined = wanted.join(titles, on=["product_id", "delivery"], how="left", maintain_order="left", validate="m:1")
    return joined.select("product_id", pl.col("title").fill_null("")).collect()


def stored_title_embeddings(store: Store, model_sha256: str) -> pl.DataFrame:
    """Returns the stored embeddings of exactly this model, one per title: title_hash, embedding."""
    record = store.read_json(TABLE, RECORD)
    if record is None or record["model_sha256"] != model_sha256:
        return pl.DataFrame(schema={"title_hash": pl.String, "embedding": pl.Null})
    return store.scan(TABLE).select("title_hash", "embedding").collect().unique("title_hash")


def title_vectors(store: Store, products: pl.DataFrame) -> Vectors:
    """Returns embeddings (num, dim) of the titles of these products (column product_id), in their order.

    Raises:
        FileNotFoundError: the store has no title embeddings.
        ValueError: a product has no title embedding.
    """
    stored = store.scan(TABLE).select("product_id", "embedding")
    wanted = products.lazy().select("product_id")
    found = wanted.join(stored, on="product_id", how="left", maintain_order="left").collect()
    if missing := found["embedding"].null_count():
        raise ValueError(f"{missing} of {len(found)} products have no title embedding; materialize {TABLE}")
    return found["embedding"].to_numpy(writable=True)
