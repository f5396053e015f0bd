"""Datasets built from a few products, whose images are named and whose hashes are drawn from the names."""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.assignments import Splitting, no_splits
from catalog.dataset.build import Dataset, build_dataset
from catalog.products.redelivery import REMOVED_AT_TYPE
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = Taxonomy.parse(
    "1 - Clothing\n2 - Clothing > Shirts\n3 - Clothing > Shirts > T-Shirts\n"
    "4 - Clothing > Shirts > T-Shirts > Long > Very long\n5 - Clothing > Shirts > T-Shirts > Long",
    "test",
)


def product(name: str, delivery: str = "d1", **columns: Any) -> dict[str, Any]:
    """A product row with its outcome: `shop:1` shows the image `p-shop:1`, unless `columns` differ."""
    return {
        "product_id": name,
        "partner_id": name.partition(":")[0],
        "item_group_id": None,
        "category_id": 3,
        "delivery": delivery,
        "row": 0,
        "removed_at": None,
        "status": "ok",
        "image": f"p-{name}",
    } | columns


def sha256_of(image: str) -> str:
    return hashlib.sha256(image.encode()).hexdigest()


def build(
    rows: Sequence[dict[str, Any]],
    golden: Sequence[str] = (),
    order: Sequence[str] = ("d1", "d2", "d3"),
    splits: Mapping[str, str] = MappingProxyType({}),
    former: pl.DataFrame | None = None,
) -> Dataset:
    """The dataset of these rows, in this order within a delivery; the status None is a download to come.

    `former` is the table `splits` of the build before.
    """
    table = pl.DataFrame(
        [row | {"row": number} for number, row in enumerate(rows, start=1)],
        schema_overrides={
            "item_group_id": pl.String,
            "category_id": pl.Int64,
            "status": pl.String,
            "removed_at": REMOVED_AT_TYPE,
        },
    )
    products = table.drop("status", "image")
    outcomes = table.filter(pl.col("status").is_not_null()).select(
        "product_id",
        "delivery",
        "status",
        pl.when(pl.col("status") == "ok")
        .then(pl.col("image").map_elements(sha256_of, return_dtype=pl.String))
        .alias("sha256"),
        pl.col("image").hash(seed=1).alias("dhash"),
        pl.lit("shard-00000").alias("shard"),
    )
    return build_dataset(
        products,
        outcomes,
        splitting=Splitting(
            former=no_splits() if former is None else former,
            partner_splits={**dict.fromkeys(golden, "golden"), **splits},
        ),
        delivery_order=order,
        taxonomy=TAXONOMY,
        thumbnails=no_pixels,
    )


def no_pixels(rows: pl.DataFrame) -> NDArray[np.uint8]:
    raise AssertionError(f"random hashes came near each other: {rows}")


def groups(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.rows.select("product_id", "group_id").iter_rows())
