"""Current catalog: each product once, with its prediction, read one delivery at a time.

Memory is bounded by one delivery, eight bytes for each product of a partner, and the products that the partner delivers
in more than one delivery.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

from catalog.feeds.deliveries import feed_key
from catalog.products.feed_versions import served_delivery
from catalog.products.redelivery import REMOVED_AT, REMOVED_AT_TYPE, current_products
from catalog.storage.tables import table_of

TABLE = "universal_catalog"
CHANGED_AT = "changed_at"
REPLACED_AT = "_replaced_at"  # of a row that took the place of another delivery's with another category
PRODUCT_COLUMNS = pl.Schema(
    {
        "product_id": pl.String(),
        "partner_id": pl.String(),
        "item_id": pl.String(),
        "title": pl.String(),
        "image_url": pl.String(),
        "row": pl.Int64(),
        REMOVED_AT: REMOVED_AT_TYPE,
    }
)
PREDICTION_COLUMNS = pl.Schema(
    {
        "product_id": pl.String(),
        "category_id": pl.Int64(),
        "path": pl.String(),
        "depth": pl.Int8(),
        "probability": pl.Float32(),
        "leaf_id": pl.Int64(),
        "leaf_path": pl.String(),
        "leaf_probability": pl.Float32(),
        "alternatives": pl.List(pl.Struct({"category_id": pl.Int64(), "probability": pl.Float32()})),
        "partner_category_id": pl.Int64(),
        "business_value": pl.Float64(),
        CHANGED_AT: pl.Datetime("us", "UTC"),
        "classifier": pl.String(),
        "version": pl.String(),
    }
)
EXPORTED_COLUMNS = (
    *("product_id", "partner_id", "item_id", "title", "image_url"),
    *[name for name in PREDICTION_COLUMNS if name != "product_id"],
    "delivery",
)


@dataclass(frozen=True, kw_only=True)
class CatalogFilter:
    """The rows to export: those of `partners` (None: of all) whose prediction passes every given limit.

    `min_confidence` bounds the probability of the category, `min_depth` its level (1 is a root). `changed_since`, a
    time with a zone, keeps predictions whose category was first made or changed at or after it.
    """

    partners: tuple[str, ...] | None = None
    min_confidence: float | None = None
    min_depth: int | None = None
    changed_since: datetime | None = None

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise ValueError(f"a confidence of at least {self.min_confidence:g} is no share; give one from 0 to 1")
        if self.min_depth is not None and self.min_depth < 0:
            raise ValueError(f"a depth of at least {self.min_depth} is no level; give 1 for a root, 2 for its children")
        if self.changed_since is not None and self.changed_since.tzinfo is None:
            raise ValueError(f"{self.changed_since.isoformat()} has no time zone; add one, such as +00:00")

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Returns the rows that pass; a prediction without a time may have changed, so it passes."""
        if self.min_confidence is not None:
            rows = rows.filter(pl.col("category_id").is_not_null(), pl.col("probability") >= self.min_confidence)
        if self.min_depth is not None:
            rows = rows.filter(pl.col("depth") >= self.min_depth)
        if self.changed_since is not None:
            rows = rows.filter(pl.col(CHANGED_AT).is_null() | (pl.col(CHANGED_AT) >= self.changed_since))
        return rows


def predicted_deliveries(store: UPath) -> dict[str, list[str]]:
    """Returns the deliveries with predictions by partner, both in order.

    Raises:
        FileNotFoundError: there is no prediction yet.
    """
    deliveries: dict[str, list[str]] = {}
    for path in sorted(store.glob(table_of(TABLE).files), key=str):
        key = path.parent.name.removeprefix("delivery=")
        known = deliveries.setdefault(key.partition(".")[0], [])
        if key not in known:
            known.append(key)
    if not deliveries:
        raise FileNotFoundError(f"table {TABLE!r} is empty; materialize the asset {TABLE!r} first")
    return deliveries


def current_catalog(store: UPath, deliveries: list[str], selection: CatalogFilter) -> Iterator[pl.DataFrame]:
    """Yields the current rows of a partner that the filter keeps, with `EXPORTED_COLUMNS`, one delivery at a time.

    A product of several deliveries has the row that `current_products` selects among those with a prediction. Products
    that no feed has any more are left out. Where that row took the place of one with another category, `changed_at` is
    at least the time of the delivery or removal that may have caused it.
    """
    repeated = _repeated_rows(store, deliveries)
    for delivery in deliveries:
        rows = _rows(store, delivery)
        if len(repeated):
            rows = _without_outdated(rows, repeated, delivery)
        current = rows.filter(pl.col(REMOVED_AT).is_null())
        yield selection.kept(current.select(EXPORTED_COLUMNS))


def _rows(store: UPath, delivery: str) -> pl.DataFrame:
    predictions = _read(store, TABLE, delivery, PREDICTION_COLUMNS)
    products = _read(store, "products", delivery, PRODUCT_COLUMNS)
    return predictions.join(products, on="product_id", maintain_order="left").with_columns(delivery=pl.lit(delivery))


def _read(store: UPath, table: str, delivery: str, schema: pl.Schema) -> pl.DataFrame:
    """Reads columns of a delivery; those that files of an older version lack are null."""
    frames = [schema.to_frame()]
    for path in sorted((store / table_of(table).folder(delivery)).glob("*.parquet"), key=str):
        with path.open("rb") as file:  # opened once: a file that is replaced meanwhile is read as it was
            content = file.read()
        known = pl.read_parquet_schema(content)
        found = pl.Schema({name: dtype for name, dtype in schema.items() if name in known})
        frames.append(pl.read_parquet(content, columns=list(found)).cast(found))
    return pl.concat(frames, how="diagonal")


def _repeated_rows(store: UPath, deliveries: list[str]) -> pl.DataFrame:
    """Returns the rows of all products that several of a partner's deliveries have.

    The columns are product_id, delivery, is_current, and the time at which the category may have changed by a row's
    replacement, null where all rows have the same category.
    """
    rows = _candidates(store, deliveries) if len(deliveries) > 1 else pl.DataFrame()
    if rows.is_empty():
        return rows
    records = [served_delivery(store / "deliveries", key) for key in deliveries]
    received_at = {each.key: datetime.fromisoformat(each.received_at) for each in records}
    order = sorted(deliveries, key=lambda key: (received_at[key], key))
    newest: dict[str, datetime] = {feed_key(key): received_at[key] for key in order}
    current = current_products(rows, order).select("product_id", "delivery", is_current=True)
    arrivals = pl.DataFrame(
        {"delivery": order, "_arrived_at": [newest[feed_key(key)] for key in order]},
        schema={"delivery": pl.String, "_arrived_at": REMOVED_AT_TYPE},
    )
    is_mixed = pl.col("category_id").fill_null(-1).n_unique().over("product_id") > 1
    replaced_at = pl.max_horizontal("_arrived_at", pl.col(REMOVED_AT).max().over("product_id"))
    return (
        rows.join(current, on=["product_id", "delivery"], how="left")
        .join(arrivals, on="delivery")
        .select(
            "product_id",
            "delivery",
            pl.col("is_current").fill_null(value=False),
            pl.when(is_mixed).then(replaced_at).alias(REPLACED_AT),
        )
    )


def _candidates(store: UPath, deliveries: list[str]) -> pl.DataFrame:
    """Returns product_id, category_id, delivery, row and removed_at of the products in more than one delivery."""
    ids = pl.Schema({"product_id": pl.String()})
    hashes = [_hashed(_read(store, TABLE, delivery, ids)["product_id"]) for delivery in deliveries]
    seen = np.sort(np.concatenate(hashes))
    several = np.unique(seen[1:][seen[1:] == seen[:-1]])
    frames = []
    for delivery, own in zip(deliveries, hashes, strict=True):
        is_repeated = np.isin(own, several, assume_unique=False)
        if is_repeated.any():
            names = ("product_id", "category_id", "delivery", "row", REMOVED_AT)
            found = _rows(store, delivery).select(names)
            frames.append(found.filter(np.isin(_hashed(found["product_id"]), several)))
    return pl.concat(frames) if frames else pl.DataFrame()


def _hashed(product_ids: pl.Series) -> NDArray[np.uint64]:
    return product_ids.hash().to_numpy()


def _without_outdated(rows: pl.DataFrame, repeated: pl.DataFrame, delivery: str) -> pl.DataFrame:
    own = repeated.filter(delivery=delivery).drop("delivery")
    return (
        rows.join(own, on="product_id", how="left", maintain_order="left")
        .filter(pl.col("is_current").fill_null(value=True))
        .with_columns(pl.max_horizontal(CHANGED_AT, REPLACED_AT).alias(CHANGED_AT))
    )
