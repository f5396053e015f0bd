"""Stored title embeddings: what the sentence encoder made of every usable product's title, and the key to each."""

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.store import Store

TABLE, RECORD = "title_embeddings", "title_embeddings.json"
Vectors = NDArray[np.float32]


def title_hash(title: str) -> str:
    """What a title is known by, 128 bits as hexadecimal text: only a changed one is embedded again."""
    return blake2b(title.encode(), digest_size=16, person=b"shelfsight.title").hexdigest()


def titles_of(products: pl.DataFrame, catalogue: pl.LazyFrame) -> pl.DataFrame:
    """The title that each product's own delivery gives it, in the order of `products`: product_id, title.

    `products` has product_id and delivery, `catalogue` is the table `products`. Without a title it is the empty text.
    """
    held = catalogue.select("product_id", "delivery", "title")
    found = products.lazy().select("product_id", "delivery")
    joined = found.join(held, on=["product_id", "delivery"], how="left", maintain_order="left", validate="m:1")
    return joined.select("product_id", pl.col("title").fill_null("")).collect()


def held_titles(store: Store, model_sha256: str) -> pl.DataFrame:
    """Embeddings (title_hash, embedding) that exactly this model made before, each title once."""
    record = store.read_json(TABLE, RECORD)
    if record is None or record["model_sha256"] != model_sha256:
        return pl.DataFrame(schema={"title_hash": pl.String, "embedding": pl.Null})
    return store.scan(TABLE).select("title_hash", "embedding").collect().unique("title_hash")


def title_vectors(store: Store, products: pl.DataFrame) -> Vectors:
    """Embeddings (num, dim) of the titles of these products (column product_id), in their order.

    Raises:
        FileNotFoundError: no title was ever embedded.
        ValueError: a product's title was not.
    """
    held = store.scan(TABLE).select("product_id", "embedding")
    wanted = products.lazy().select("product_id")
    found = wanted.join(held, on="product_id", how="left", maintain_order="left").collect()
    if missing := found["embedding"].null_count():
        raise ValueError(f"{missing} of {len(found)} products have no title embedding; materialise {TABLE}")
    return found["embedding"].to_numpy(writable=True)
