"""Similar: products that look like one, or like a picture, by the encoder that tells categories best."""

from pathlib import Path
from typing import Any

import polars as pl

from catalog.files import absolute
from resources.similar import SimilarProducts, neighbours_sheet
from resources.store import Store


def similar(store: str, wanted: str, encoder: str | None, k: int, sheet: Path | None) -> list[dict[str, Any]]:
    """The `k` products most like a product (its id) or a picture (its file), the most similar first.

    A `sheet` is a PNG to write: what was asked for, then what is like it.

    Raises:
        FileNotFoundError: no similarity index was made.
        LookupError: there is no such product.
        ValueError: the picture cannot be decoded, the encoder is unknown, or `k` is too large.
    """
    held = Store(root=absolute(store))
    search = SimilarProducts(held, encoder or best_indexed(held))
    asked = Path(wanted) if Path(wanted).is_file() else wanted
    found = search.similar(asked, k)
    if sheet is not None:
        sheet.write_bytes(neighbours_sheet(held, asked, found))
    return found.select("rank", "similarity", "product_id", "title", "category").to_dicts()


def best_indexed(store: Store) -> str:
    """Of the encoders with an index, the one whose nearest neighbours tell categories best."""
    indexed = sorted(path.parent.name for path in store.path.glob("similarity_index/*/index.json"))
    if not indexed:
        raise FileNotFoundError("no similarity index was made; run the job 'examine' for an encoder")
    quality = store.scan("encoder_quality", indexed).filter(
        pl.col("metric") == "knn_top1", pl.col("category_id").is_null()
    )
    ranked = quality.select("encoder", "value").sort("value", "encoder", descending=[True, False]).collect()
    return ranked["encoder"][0] if len(ranked) else indexed[0]
