"""Range taking: the products of a delivery, taken in several ranges of its rows at once and put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import polars as pl
import pyarrow as pa

from catalog.delivered import delivered_batches
from catalog.deliveries import Delivery
from catalog.feed_places import FeedPlace
from catalog.feeds.feed import FeedBatch
from catalog.partners import PartnerSettings
from catalog.products import (
    DUPLICATE_ID,
    PRODUCTS_SCHEMA,
    REJECTED_SCHEMA,
    Takings,
    raw_text,
    repeated_id,
    take_products,
)
from catalog.taxonomy import Taxonomy
from catalog.taxonomy_moves import Moves

# How a task tells what it took: the place of the range, and its tables as Arrow files.
TAKEN_SCHEMA = pa.schema(
    [("place", pa.int32()), ("products", pa.binary()), ("rejected", pa.binary()), ("raw", pa.binary())]
)

_RAW_SCHEMA = pl.Schema({"row": pl.Int64(), "raw": pl.String()})


@dataclass(frozen=True)
class RangeTakings:
    """What came of one range by itself; `raw` has each product's row and raw text, in case its id is taken."""

    takings: Takings
    raw: pl.DataFrame

    def packed(self, place: int) -> pa.RecordBatch:
        """A row of TAKEN_SCHEMA."""
        tables = {"products": self.takings.products, "rejected": self.takings.rejected, "raw": self.raw}
        files = {name: _arrow_file(table) for name, table in tables.items()}
        return pa.RecordBatch.from_pylist([{"place": place, **files}], schema=TAKEN_SCHEMA)

    @classmethod
    def unpacked(cls, products: bytes, rejected: bytes, raw: bytes) -> RangeTakings:
        """What was packed."""
        return cls(Takings(pl.read_ipc(products), pl.read_ipc(rejected)), pl.read_ipc(raw))


@dataclass(frozen=True, kw_only=True)
class RangeReading:
    """How the ranges of a delivery are taken, as plain values that a task can be sent."""

    ranges: Sequence[Delivery]  # the delivery again and again, each time with some of its rows
    feed: FeedPlace
    partner: PartnerSettings
    taxonomy: Taxonomy
    moves: Moves

    def take(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The ranges whose places come in the column `place`, as TAKEN_SCHEMA."""
        for place in (place for batch in batches for place in batch.column("place").to_pylist()):
            delivery = self.ranges[place]
            taken = take_range(
                delivered_batches(delivery, self.feed, self.partner.columns),
                partner=self.partner,
                delivery=delivery.key,
                taxonomy=self.taxonomy,
                moves=self.moves,
            )
            yield taken.packed(place)


def take_range(
    batches: Iterable[FeedBatch], *, partner: PartnerSettings, delivery: str, taxonomy: Taxonomy, moves: Moves
) -> RangeTakings:
    """What `take_products` makes of a range's rows, which nobody has compared with other ranges yet."""
    read = list(batches)
    takings = take_products(read, partner=partner, delivery=delivery, taxonomy=taxonomy, moves=moves)
    rows = [batch.rows.select("row", raw=raw_text()) for batch in read]
    raw = pl.concat([_RAW_SCHEMA.to_frame(), *rows]).join(takings.products, on="row", how="semi")
    return RangeTakings(takings, raw)


def join_ranges(ranges: Sequence[RangeTakings]) -> Takings:
    """What `take_products` makes of all the ranges' rows at once; the ranges in their order."""
    products = pl.concat([PRODUCTS_SCHEMA.to_frame(), *(each.takings.products for each in ranges)])
    rejected = pl.concat([REJECTED_SCHEMA.to_frame(), *(each.takings.rejected for each in ranges)])
    is_first = pl.col("item_id").is_first_distinct()
    kept, later = products.filter(is_first), products.filter(~is_first)
    raw = pl.concat([_RAW_SCHEMA.to_frame(), *(each.raw for each in ranges)])
    newly = later.select("item_id", "delivery", "row").join(raw, on="row")
    is_repeated = pl.col("reason") == DUPLICATE_ID
    # An id holds no tab, and a raw text begins with it.
    known = rejected.filter(is_repeated).with_columns(item_id=pl.col("raw").str.split("\t").list.first())
    repeated = (
        pl.concat([newly, known.select(newly.columns)])
        .join(kept.select("item_id", first_row="row"), on="item_id")
        .with_columns(reason=pl.lit(DUPLICATE_ID), detail=repeated_id())
        .select(REJECTED_SCHEMA.names())
    )
    others = rejected.filter(~is_repeated).join(later, on="row", how="anti", maintain_order="left")
    return Takings(kept, pl.concat([others, repeated]).sort("row", maintain_order=True))


def _arrow_file(table: pl.DataFrame) -> bytes:
    file = BytesIO()
    table.write_ipc(file)
    return file.getvalue()
