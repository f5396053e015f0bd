"""Similar products: those whose pictures look most like a product's, or like any picture."""

from pathlib import Path

import numpy as np
import polars as pl

from catalog.contact_sheet import contact_sheet
from catalog.near_ids import near_ids
from ml.neighbours import Neighbours
from ml.recipes import encoder_recipe
from ml.similarity import SimilarityIndex
from resources.embeddings import StoredEmbeddings, Vectors
from resources.pictures import Pictures
from resources.store import Store


class UnknownProductError(LookupError):
    """A product that has no embedding; the message names it and those that are spelled alike."""


class SimilarProducts:
    """Similarity search over one encoder's index; loading it once serves any number of searches.

    Raises:
        ValueError: the encoder is unknown, or its index was made from other embeddings than the store holds.
        FileNotFoundError: the store holds no index of it.
    """

    def __init__(self, store: Store, encoder: str) -> None:
        encoder_recipe(encoder)
        folder = index_folder(store, encoder)
        if not folder.exists():
            raise FileNotFoundError(f"encoder {encoder!r} has no index; materialise similarity_index[{encoder}] first")
        self._store, self._encoder = store, encoder
        self._embeddings = StoredEmbeddings(store, encoder)
        self._index = SimilarityIndex.load(folder, inputs(self._embeddings))

    def similar(self, wanted: str | bytes | Path, k: int = 10) -> pl.DataFrame:
        """The `k` products most like one (its id), or most like a picture (its bytes, or the path of its file).

        One row each, the most similar first: rank, similarity (a cosine), product_id, title, category, sha256,
        delivery, shard. A product is not similar to itself, but others with the same picture are.

        Raises:
            UnknownProductError: no product of this id has an embedding.
            ValueError: the picture cannot be decoded, or `k` is more than the index holds.
            OSError: the file cannot be read.
        """
        if isinstance(wanted, str):
            return self._described(self._others(wanted, k))
        return self._described(self._index.search(self._embedded(wanted), k))

    def _others(self, product_id: str, k: int) -> Neighbours:
        """What is found for a product, without itself."""
        own = self._embeddings.rows.with_row_index("row").filter(pl.col("product_id") == product_id).collect()
        if own.is_empty():
            near = near_ids(product_id, self._embeddings.rows)
            hint = f"near ids are {', '.join(near)}" if near else "ids look like PARTNER:ITEM"
            raise UnknownProductError(
                f"product {product_id!r} has no embedding by encoder {self._encoder!r}; {hint}; one that was delivered "
                f"since is found after embeddings[{self._encoder}] and similarity_index[{self._encoder}]"
            )
        if not 1 <= k < len(self._index):
            raise ValueError(f"k is {k}, but there are {len(self._index) - 1} other products; give k within 1..that")
        found = self._index.search(own["embedding"].to_numpy(), k + 1)
        others = np.flatnonzero(found.positions[0] != own["row"].item())[:k]
        return Neighbours(found.similarities[:, others], found.positions[:, others])

    def _embedded(self, picture: bytes | Path) -> Vectors:
        """The embedding (1, dim) of a picture, by the encoder that the index is of."""
        import torch

        from ml.encoders import Encoder, embed
        from ml.pixels import decode_pixels

        encoder = Encoder.load(self._store.here("encoders", self._encoder))
        data = picture.read_bytes() if isinstance(picture, Path) else picture
        try:
            pixels = decode_pixels([data], encoder.resolution)
        except ValueError as error:
            named = f"{str(picture)!r}" if isinstance(picture, Path) else f"of {len(data)} bytes"
            raise ValueError(f"the picture {named} cannot be decoded ({error}); give a JPEG, PNG or WebP") from error
        return embed(encoder, pixels, torch.device("cpu"))

    def _described(self, found: Neighbours) -> pl.DataFrame:
        """The neighbours of one query, with what the catalogue says of them."""
        names = self._store.scan("taxonomy").select(pl.col("category_id").alias("level_4"), category="path")
        rows = self._store.scan("dataset").select("product_id", "delivery", "shard", "level_4")
        titles = self._store.scan("products").select("product_id", "delivery", "title")
        ranked = self._embeddings.products_at(found.positions[0]).lazy().with_columns(similarity=found.similarities[0])
        return (
            ranked.with_row_index("rank", offset=1)
            .join(rows, on="product_id", how="left")
            .join(titles, on=["product_id", "delivery"], how="left")
            .join(names, on="level_4", how="left")
            .select("rank", "similarity", "product_id", "title", "category", "sha256", "delivery", "shard")
            .sort("rank")
            .collect()
        )


def index_folder(store: Store, encoder: str) -> Path:
    """Where the index of an encoder's embeddings lies."""
    return store.here("similarity_index", encoder)


def inputs(embeddings: StoredEmbeddings) -> dict[str, str]:
    """The fingerprints that an index of these embeddings carries, and without which it is not loaded."""
    return {"encoder_sha256": embeddings.encoder_sha256, "embeddings_version": embeddings.version}


def neighbours_sheet(store: Store, wanted: str | Path, found: pl.DataFrame) -> bytes:
    """A PNG: the picture of what was asked for, then those of what is like it."""
    pictures = Pictures(store=store)
    if isinstance(wanted, Path):
        asked = wanted.read_bytes()
    else:
        [asked] = pictures.read(store.scan("dataset").filter(product_id=wanted).collect())
    return contact_sheet([[asked, *pictures.read(found.drop_nulls("shard"))]])
