"""Ranges of a delivery, taken apart and put together, are what the whole delivery is."""

import itertools
import pickle

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import FeedBatch
from catalog.feeds.feed import FEED_SCHEMA, REFUSED_SCHEMA
from catalog.products import Takings, take_products
from catalog.range_taking import RangeTakings, join_ranges, take_range
from catalog.taxonomy_moves import Moves
from tests.catalog.test_products import ACME, TAXONOMY

MOVES = Moves((), TAXONOMY)
ids = st.sampled_from(["a", "b", "c", "d", None, "x" * 300, "with\x01control"])
rows_of_feeds = st.lists(
    st.tuples(
        ids,
        st.sampled_from(["t", None, "tab\tbed"]),
        st.sampled_from(["2", "99", "Shoes", None]),
        st.sampled_from(["12.50 EUR", "much", None]),
    ),
    max_size=25,
)
Row = tuple[str | None, str | None, str | None, str | None]


def batch(rows: list[Row], first_row: int) -> FeedBatch:
    """Some rows, every sixth of which no reader could read."""
    columns = [(first_row + place, *row) for place, row in enumerate(rows)]
    is_unreadable = [number % 6 == 0 for number, *_ in columns]
    known = pl.DataFrame(columns, schema=["row", "item_id", "title", "google_product_category", "price"], orient="row")
    filled = pl.concat(
        [FEED_SCHEMA.to_frame(), known.cast({name: FEED_SCHEMA[name] for name in known.columns})], how="diagonal"
    )
    broken = filled.filter(pl.Series(is_unreadable, dtype=pl.Boolean)).select(
        "row", raw=pl.lit("?"), reason=pl.lit("unreadable"), detail=pl.lit("no row")
    )
    return FeedBatch(filled.filter(~pl.Series(is_unreadable, dtype=pl.Boolean)), broken.cast(dict(REFUSED_SCHEMA)))


def of_range(rows: list[Row], first_row: int) -> RangeTakings:
    taken = take_range([batch(rows, first_row)], partner=ACME, delivery="acme.feed", taxonomy=TAXONOMY, moves=MOVES)
    row = taken.packed(0).to_pylist()[0]
    return RangeTakings.unpacked(row["products"], row["rejected"], row["raw"])


def whole(rows: list[Row]) -> Takings:
    return take_products([batch(rows, 1)], partner=ACME, delivery="acme.feed", taxonomy=TAXONOMY, moves=MOVES)


@given(rows=rows_of_feeds, cuts=st.lists(st.integers(0, 25), max_size=4))
@settings(deadline=None)
def test_ranges_put_together_are_the_whole(rows: list[Row], cuts: list[int]) -> None:
    places = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    ranges = [of_range(rows[start:end], start + 1) for start, end in itertools.pairwise(places)]
    together, expected = join_ranges(ranges), whole(rows)
    assert together.products.equals(expected.products)
    assert together.rejected.equals(expected.rejected)


def test_an_id_of_an_earlier_range_is_rejected_with_the_row_that_has_it() -> None:
    first, second = [("a", "t", "2", None)], [("b", "t", "2", None), ("a", "u", "99", "much"), ("a", "v", None, None)]
    together = join_ranges([of_range(first, 1), of_range(second, 2)])
    assert together.products["row"].to_list() == [1, 2]
    assert together.rejected.select("row", "reason", "detail").rows() == [
        (3, "duplicate_id", "id 'a' is row 1's already"),
        (4, "duplicate_id", "id 'a' is row 1's already"),
    ]


def test_what_a_task_is_sent_are_plain_values() -> None:
    assert pickle.loads(pickle.dumps((ACME, TAXONOMY, MOVES)))[0] == ACME  # noqa: S301 our own bytes
