"""Similar products: search for the products whose images are most similar to a product's image or to any image."""

from pathlib import Path

import numpy as np
import polars as pl

from catalog.images.contact_sheet import contact_sheet
from catalog.images.decoder_pool import DecoderPool
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.products.near_ids import near_ids
from ml.embeddings.neighbors import Neighbors
from ml.embeddings.similarity_index import SimilarityIndex
from resources.artifacts.embeddings import StoredEmbeddings, Vectors
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.store import Store


class UnknownProductError(LookupError):
    """Raised for a product without an embedding; the message names it and products with similar ids."""


class SimilarProducts:
    """Similarity search over one encoder's index; loading it once serves any number of searches.

    `rules` are those of stored images, by which an image of one's own is decoded, too.

    Raises:
        ValueError: the encoder is unknown, or its index was built from other embeddings than the stored ones.
        FileNotFoundError: the store has no index of it.
    """

    def __init__(self, store: Store, encoder: str, rules: ImageRules = ImageRules()) -> None:  # noqa: B008 frozen
        RECIPES.encoder(encoder)
        folder = index_folder(store, encoder)
        if not folder.exists():
            raise FileNotFoundError(f"encoder {encoder!r} has no index; materialize similarity_index[{encoder}] first")
        self._store, self._encoder, self._rules = store, encoder, rules
        self._embeddings = StoredEmbeddings(store, encoder)
        self._index = SimilarityIndex.load(folder, inputs(self._embeddings))

    def similar(self, wanted: str | bytes | Path, k: int = 10) -> pl.DataFrame:
        """Returns the `k` products most similar to a product (its id) or to an image (its bytes or its file's path).

        One row each, the most similar first: rank, similarity (a cosine), product_id, title, category, sha256,
        delivery, shard. A product is not similar to itself, but others with the same image are.

        Raises:
            UnknownProductError: no product of this id has an embedding.
            ValueError: the image cannot be decoded, or `k` is larger than the index.
            OSError: the file cannot be read.
        """
        if isinstance(wanted, str):
            return self._described(self._others(wanted, k))
        return self._described(self._index.search(self._embedded(wanted), k))

    def _others(self, product_id: str, k: int) -> Neighbors:
        """Searches for the neighbors of a product, without the product itself."""
        own = self._embeddings.rows.with_row_index("row").filter(pl.col("product_id") == product_id).collect()
        if own.is_empty():
            near = near_ids(product_id, self._embeddings.rows)
            hint = f"near ids are {', '.join(near)}" if near else "ids look like PARTNER:ITEM"
            raise UnknownProductError(
                f"product {product_id!r} has no embedding by encoder {self._encoder!r}; {hint}; a newly delivered "
                f"one is found after embeddings[{self._encoder}] and similarity_index[{self._encoder}]"
            )
        if not 1 <= k < len(self._index):
            raise ValueError(
                f"k is {k}, but there are {len(self._index) - 1} other products; give a k from 1 to that number"
            )
        found = self._index.search(own["embedding"].to_numpy(), k + 1)
        others = np.flatnonzero(found.positions[0] != own["row"].item())[:k]
        return Neighbors(found.similarities[:, others], found.positions[:, others])

    def _embedded(self, image: bytes | Path) -> Vectors:
        """Returns the embedding (1, dim) of an image by the encoder of the index."""
        import torch

        from ml.encoders.encoder import Encoder, embed
        from ml.pixels import decode_pixels

        encoder = Encoder.load(self._store.sync_down("encoders", self._encoder))
        pixels = decode_pixels([stored_form(image, self._rules)], encoder.resolution, fit=encoder.fit)
        return embed(encoder, pixels, torch.device("cpu"))

    def _described(self, found: Neighbors) -> pl.DataFrame:
        """Returns the neighbors of one query with their titles and categories."""
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


def stored_form(image: bytes | Path, rules: ImageRules) -> bytes:
    """Returns an image as a download stores it, decoded in a process of its own.

    Raises:
        ValueError: it cannot be decoded, or is larger or smaller than the rules allow.
        OSError: the file cannot be read.
    """
    data = image.read_bytes() if isinstance(image, Path) else image
    with DecoderPool(rules, 1) as decoders:
        [decoded] = decoders.decode([data])
    if isinstance(decoded, StoredImage):
        return decoded.data
    named = f"{str(image)!r}" if isinstance(image, Path) else f"of {len(data)} bytes"
    raise ValueError(f"the image {named} cannot be decoded ({decoded}); give a JPEG, PNG or WebP")


def index_folder(store: Store, encoder: str) -> Path:
    """The folder of the index of an encoder's embeddings."""
    return store.sync_down("similarity_index", encoder)


def inputs(embeddings: StoredEmbeddings) -> dict[str, str]:
    """The fingerprints of the embeddings of an index; it is loaded only where they match."""
    return {"encoder_sha256": embeddings.encoder_sha256, "embeddings_version": embeddings.version}


def neighbors_sheet(
    store: Store,
    wanted: str | Path,
    found: pl.DataFrame,
    rules: ImageRules = ImageRules(),  # noqa: B008 frozen
) -> bytes:
    """A contact sheet (PNG): the image of the query, then those of similar products."""
    stored_images = StoredImages(store=store)
    if isinstance(wanted, Path):
        query = stored_form(wanted, rules)
    else:
        [query] = stored_images.read(store.scan("dataset").filter(product_id=wanted).collect())
    return contact_sheet([[query, *stored_images.read(found.drop_nulls("shard"))]])
