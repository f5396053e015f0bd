"""Products: the rows of partners' feeds, labeled where the partner's category is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from catalog.feeds.feed import COLUMNS, FEED_SCHEMA, MAX_RAW_CHARACTERS, REJECTED_ROWS_SCHEMA, FeedBatch, FeedError
from catalog.products.attributes import ROUNDED, parse_attributes
from catalog.products.item_ids import normalized_ids
from catalog.products.labels import labels_of
from catalog.products.partner_categories import confirmed_categories, mapped_categories
from catalog.products.partners import PartnerSettings
from catalog.products.plain_texts import further_links, plain_texts
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy, canonical_path

# Attributes that an image may show besides the category, in the partner's words.
LABEL_COLUMNS = ("product_type", "color", "pattern", "material", "size", "gender", "age_group")
PRODUCTS_SCHEMA = pl.Schema(
    {
        "product_id": pl.String(),
        "partner_id": pl.String(),
        "item_id": pl.String(),
        "title": pl.String(),
        "description": pl.String(),
        "image_url": pl.String(),
        "additional_image_urls": pl.List(pl.String()),
        "item_group_id": pl.String(),
        "brand": pl.String(),
        "price": pl.Float64(),
        "currency": pl.String(),
        "availability": pl.String(),
        "gtin": pl.String(),
        **dict.fromkeys(LABEL_COLUMNS, pl.String()),
        "category_id": pl.Int64(),
        "category_source": pl.String(),
        "delivery": pl.String(),
        "row": pl.Int64(),
    }
)
REJECTED_SCHEMA = pl.Schema(
    {"delivery": pl.String, "row": pl.Int64, "raw": pl.String, "reason": pl.String, "detail": pl.String}
)
MAX_ID_CHARACTERS = 200
MAX_DELIVERY_BYTES = 1_000_000_000  # of texts, which are in memory together: 10,000 for each of 100,000 products

_CONTROL_CHARACTER = r"\p{Cc}"


@dataclass(frozen=True)
class ParsedFeed:
    """The products (`PRODUCTS_SCHEMA`) and the rejected rows (`REJECTED_SCHEMA`) of a feed, in its order.

    Every row of the feed is in one of them. A product whose category is unknown, lost or no leaf any more, or whose
    price, availability or GTIN cannot be parsed, is in both. Of texts, HTML's entities are unescaped, and of titles its
    tags removed; else they are kept as they came, also spreadsheets' formulas.
    """

    products: pl.DataFrame
    rejected: pl.DataFrame


def parse_products(
    batches: Iterable[FeedBatch],
    *,
    partner: PartnerSettings,
    delivery: str,
    taxonomy: Taxonomy,
    moves: Moves | None = None,
) -> ParsedFeed:
    """Return the products and the rejected rows of one delivery; of repeated ids the first counts.

    Args:
        batches: The rows of the delivery.
        delivery: The key of the delivery.
        moves: Where categories of former versions of the taxonomy went.

    Raises:
        FeedError: The feed is refused, maybe at its end, or has more texts than fit into memory.
        ValueError: The mapping of the partner has a category that the taxonomy lacks.
    """
    moves = moves or Moves((), taxonomy)
    category_of_type = mapped_categories(partner, taxonomy, moves)
    read = list(_bounded(batches, delivery))
    rows = pl.concat([FEED_SCHEMA.to_frame(), *(batch.rows for batch in read)])
    unreadable = pl.concat([REJECTED_ROWS_SCHEMA.to_frame(), *(batch.rejected for batch in read)])

    kept, refused = _identified(rows)
    parsed, unparsed = parse_attributes(kept, partner.currency)
    confirmed = confirmed_categories(partner, taxonomy, moves)
    texts = kept["google_product_category"].drop_nulls().unique(maintain_order=True)
    labels = labels_of(texts, taxonomy, moves, confirmed)
    kept = kept.join(labels, left_on="google_product_category", right_on="text", how="left", maintain_order="left")
    google, source = kept["label_id"], kept["label_source"]
    plain = plain_texts(kept, partner.image_base)
    own = _resolved(plain["product_type"], lambda text: category_of_type.get(canonical_path(text)))
    products = (
        parsed.with_columns(*plain)
        .with_columns(
            product_id=pl.lit(f"{partner.partner_id}:") + pl.col("item_id"),
            partner_id=pl.lit(partner.partner_id),
            title=pl.col("title").fill_null(""),
            additional_image_urls=further_links(parsed["additional_image_urls"], partner.image_base),
            category_id=pl.coalesce(google, own),
            category_source=pl.when(google.is_not_null())
            .then(source)
            .when(own.is_not_null())
            .then(pl.lit("product_type"))
            .otherwise(source),
            delivery=pl.lit(delivery),
        )
        .select(PRODUCTS_SCHEMA.names())
    )
    mislabeled = _rejected(kept.filter(pl.col("reason").is_not_null()))
    rejected = pl.concat([unreadable, refused, _rounded(kept), mislabeled, _rejected(unparsed)]).sort(
        "row", maintain_order=True
    )
    return ParsedFeed(products, rejected.with_columns(delivery=pl.lit(delivery)).select(REJECTED_SCHEMA.names()))


def _bounded(batches: Iterable[FeedBatch], delivery: str) -> Iterator[FeedBatch]:
    num_bytes = 0
    for batch in batches:
        num_bytes += int(batch.rows.estimated_size())
        if num_bytes > MAX_DELIVERY_BYTES:
            raise FeedError(
                f"delivery {delivery!r} has more than {MAX_DELIVERY_BYTES:,} bytes of texts; "
                "lower SHELFSIGHT_MAX_DELIVERY_ROWS, or have the longest texts removed from the feed"
            )
        yield batch


def _identified(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the rows with a valid id of their own, normalized, and the others as rejected rows."""
    rows = rows.with_columns(normalized_ids(rows["item_id"]))
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
    kept = rows.filter(pl.col("reason").is_null()).drop("reason")
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


def _rounded(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows whose id a spreadsheet rounded, which are products nevertheless, as rejected rows."""
    detail = pl.format(
        "id '{}' was rounded by a spreadsheet, so that several products have it; format its column as text there; the "
        "product is kept under that id",
        "item_id",
    )
    rounded = rows.filter(pl.col("item_id").str.contains(ROUNDED))
    return _rejected(rounded.with_columns(reason=pl.lit("rounded_id"), detail=detail))


def _rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns rows that have a reason and a detail as `REJECTED_ROWS_SCHEMA`; their raw text begins with the id."""
    attributes = [pl.col(column).fill_null("") for column in COLUMNS]
    raw = pl.concat_str(attributes, separator="\t").str.strip_chars_end("\t").str.head(MAX_RAW_CHARACTERS)
    return rows.with_columns(raw=raw).select(REJECTED_ROWS_SCHEMA.names())


def _resolved(texts: pl.Series, resolve: Callable[[str], int | None]) -> pl.Series:
    """Returns the category of every text, null where it has none; each distinct text is resolved once."""
    category_of = {text: resolve(text) for text in texts.unique().drop_nulls()}
    return texts.replace_strict(category_of, default=None, return_dtype=pl.Int64)
