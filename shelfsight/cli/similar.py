"""`shelfsight similar`: lists products whose images are similar to a product's image or to an image file."""

from pathlib import Path
from typing import Any

import polars as pl

from catalog.storage.files import absolute
from resources.artifacts.similar_products import SimilarProducts, neighbors_sheet
from resources.settings import Settings
from resources.store import Store


def similar(root: str, query: str, encoder: str | None, k: int, sheet: Path | None) -> list[dict[str, Any]]:
    """Returns the `k` products most similar to a product (its id) or an image (its file), the most similar first.

    `sheet` is a PNG to write, with the image of the query and then those of the products.

    Raises:
        FileNotFoundError: there is no similarity index.
        LookupError: there is no such product.
        ValueError: the image cannot be decoded, the encoder is unknown, or `k` is too large.
    """
    store = Store(root=absolute(root))
    rules = Settings.read(store=root).image_rules
    search = SimilarProducts(store, encoder or best_indexed_encoder(store), rules)
    wanted = Path(query) if Path(query).is_file() else query
    found = search.similar(wanted, k)
    if sheet is not None:
        sheet.write_bytes(neighbors_sheet(store, wanted, found, rules))
    return found.select("rank", "similarity", "product_id", "title", "category").to_dicts()


def best_indexed_encoder(store: Store) -> str:
    """Returns the encoder with an index whose nearest neighbors predict categories best."""
    indexed = sorted(path.parent.name for path in store.path.glob("similarity_index/*/index.json"))
    if not indexed:
        raise FileNotFoundError("there is no similarity index; run the job 'evaluate_encoder' for an encoder")
    quality = store.scan("encoder_quality", indexed).filter(
        pl.col("metric") == "knn_top1", pl.col("category_id").is_null()
    )
    ranked = quality.select("encoder", "value").sort("value", "encoder", descending=[True, False]).collect()
    return ranked["encoder"][0] if len(ranked) else indexed[0]
