"""Products: what partners' feeds say, one row a product, labelled where the partner's category is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from catalog.feeds.feed import COLUMNS, FEED_SCHEMA, MAX_RAW_CHARACTERS, REFUSED_SCHEMA, FeedBatch
from catalog.partners import PartnerSettings, mapped_categories
from catalog.taxonomy import Taxonomy, canonical_path

PRODUCTS_SCHEMA = pl.Schema(
    {
        "product_id": pl.String,
        "partner_id": pl.String,
        "item_id": pl.String,
        "title": pl.String,
        "image_url": pl.String,
        "item_group_id": pl.String,
        "category_id": pl.Int64,
        "category_source": pl.String,
        "delivery": pl.String,
        "row": pl.Int64,
    }
)
REJECTED_SCHEMA = pl.Schema(
    {"delivery": pl.String, "row": pl.Int64, "raw": pl.String, "reason": pl.String, "detail": pl.String}
)
MAX_ID_CHARACTERS = 200

_CONTROL_CHARACTER = r"\p{Cc}"
_MAX_GUESSES = 50  # a guess at a misspelt category takes milliseconds, and a feed may hold a million of them


@dataclass(frozen=True)
class Takings:
    """What came of a feed, in its order.

    `products` has the columns `PRODUCTS_SCHEMA`, `rejected` has `REJECTED_SCHEMA`.
    Every row of the feed is in one of them; a product whose category is unknown is in both.
    """

    products: pl.DataFrame
    rejected: pl.DataFrame


def take_products(
    batches: Iterable[FeedBatch], *, partner: PartnerSettings, delivery: str, taxonomy: Taxonomy
) -> Takings:
    """The products of one delivery; of repeated ids the first counts.

    Raises `FeedError` where the feed is refused, even at its end, and `ValueError` where the mapping of
    the partner has a category that the taxonomy lacks.
    """
    category_of_type = mapped_categories(partner, taxonomy)
    read = list(batches)
    rows = pl.concat([FEED_SCHEMA.to_frame(), *(batch.rows for batch in read)])
    unreadable = pl.concat([REFUSED_SCHEMA.to_frame(), *(batch.rejected for batch in read)])

    kept, refused = _identified(rows)
    google = _resolved(kept["google_product_category"], taxonomy.resolve)
    own = _resolved(kept["product_type"], lambda text: category_of_type.get(canonical_path(text)))
    products = kept.with_columns(
        product_id=pl.lit(f"{partner.partner_id}:") + pl.col("item_id"),
        partner_id=pl.lit(partner.partner_id),
        title=pl.col("title").fill_null(""),
        category_id=pl.coalesce(google, own),
        category_source=pl.when(google.is_not_null())
        .then(pl.lit("google_product_category"))
        .when(own.is_not_null())
        .then(pl.lit("product_type")),
        delivery=pl.lit(delivery),
    ).select(PRODUCTS_SCHEMA.names())
    unknown = _unknown_categories(kept.filter(google.is_null()), taxonomy)
    rejected = pl.concat([unreadable, refused, unknown]).sort("row", maintain_order=True)
    return Takings(products, rejected.with_columns(delivery=pl.lit(delivery)).select(REJECTED_SCHEMA.names()))


def _identified(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with an id of their own, and the others as rejected rows."""
    item_id = pl.col("item_id")
    is_bad = (item_id.str.len_chars() > MAX_ID_CHARACTERS) | item_id.str.contains(_CONTROL_CHARACTER)
    reason = (
        pl.when(item_id.is_null())
        .then(pl.lit("missing_id"))
        .when(is_bad)
        .then(pl.lit("bad_id"))
        .when(~item_id.is_first_distinct())
        .then(pl.lit("duplicate_id"))
    )
    rows = rows.with_columns(reason=reason)
    kept = rows.filter(pl.col("reason").is_null())
    refused = rows.filter(pl.col("reason").is_not_null())
    first_rows = kept.select("item_id", first_row="row")
    detail = (
        pl.when(pl.col("reason") == "missing_id")
        .then(pl.lit("the row has no id"))
        .when(pl.col("reason") == "bad_id")
        .then(pl.lit(f"the id has more than {MAX_ID_CHARACTERS} characters or a control character"))
        .otherwise(pl.format("id '{}' is row {}'s already", "item_id", "first_row"))
    )
    refused = refused.join(first_rows, on="item_id", how="left").with_columns(detail=detail)
    return kept, _rejected(refused)


def _rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that have a reason and a detail, in the shape of a reader's rejected rows."""
    attributes = [pl.col(column).fill_null("") for column in COLUMNS]
    raw = pl.concat_str(attributes, separator="\t").str.head(MAX_RAW_CHARACTERS)
    return rows.with_columns(raw=raw).select(REFUSED_SCHEMA.names())


def _resolved(texts: pl.Series, resolve: Callable[[str], int | None]) -> pl.Series:
    """The category of every text, null where it has none; each distinct text is resolved once."""
    category_of = {text: resolve(text) for text in texts.unique().drop_nulls()}
    return texts.replace_strict(category_of, default=None, return_dtype=pl.Int64)


def _unknown_categories(unresolved: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """A rejected row for each product whose google_product_category the taxonomy lacks."""
    column = "google_product_category"
    unknown = unresolved.filter(pl.col(column).is_not_null())
    detail_of = {}
    for number, text in enumerate(unknown[column].unique(maintain_order=True)):
        nearest = taxonomy.nearest(text) if number < _MAX_GUESSES else None
        guess = f"; the nearest known is {nearest!r}" if nearest else ""
        detail_of[text] = f"{column} {text[:200]!r} is not in the taxonomy{guess}; the product is kept without it"
    detail = unknown[column].replace_strict(detail_of, default=None, return_dtype=pl.String)
    return _rejected(unknown.with_columns(reason=pl.lit("unknown_category"), detail=detail))
