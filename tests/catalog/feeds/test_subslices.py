"""Subslices: however a feed is sliced and its slices are cut again, the pieces together read as the whole does."""

import io

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feed_slice import Slice
from catalog.feeds import FeedBatch, FeedError
from catalog.feeds.slicing import read_slice, slices
from catalog.feeds.subslices import subslices
from tests.catalog.feeds.reading import WRITERS, read
from tests.catalog.feeds.test_slicing import DELIMITED, XML_PARTS

sizes = st.integers(1, 5)


def cut_twice(content: bytes, feed_format: str, max_rows: int, num_parts: int) -> FeedBatch:
    """The rows of all pieces of all slices, one after the other."""
    batches = []
    for part in slices(io.BytesIO(content), "feed.x", feed_format, max_rows):
        pieces = subslices(io.BytesIO(content), "feed.x", feed_format, part, num_parts)
        assert 1 <= len(pieces) <= num_parts
        assert sum(piece.num_rows or 0 for piece in pieces) == part.num_rows
        for piece in pieces:
            batches += read_slice(io.BytesIO(content), "feed.x", feed_format, piece)
    return FeedBatch(pl.concat([batch.rows for batch in batches]), pl.concat([batch.rejected for batch in batches]))


def assert_pieces_read_as_the_whole(content: bytes, feed_format: str, max_rows: int, num_parts: int) -> None:
    try:
        whole = read(feed_format, content)
    except FeedError:
        with pytest.raises(FeedError):
            cut_twice(content, feed_format, max_rows, num_parts)
        return
    pieces = cut_twice(content, feed_format, max_rows, num_parts)
    assert pieces.rows.equals(whole.rows)
    assert pieces.rejected.equals(whole.rejected)


@pytest.mark.parametrize("feed_format", ["google_tsv", "csv"])
@given(parts=DELIMITED, max_rows=sizes, num_parts=sizes)
@settings(max_examples=150, deadline=None)
def test_delimited_text(feed_format: str, parts: list[bytes], max_rows: int, num_parts: int) -> None:
    separator = b"\t" if feed_format == "google_tsv" else b","
    content = separator.join([b"id", b"title"]) + b"\n" + b"".join(parts)
    assert_pieces_read_as_the_whole(content, feed_format, max_rows, num_parts)


@given(parts=st.lists(st.sampled_from([b'{"id": "a"}', b"\n", b"\r\n", b"[]", b"{"])), max_rows=sizes, num_parts=sizes)
@settings(max_examples=150, deadline=None)
def test_json_lines(parts: list[bytes], max_rows: int, num_parts: int) -> None:
    assert_pieces_read_as_the_whole(b"".join(parts), "json_lines", max_rows, num_parts)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "iso-8859-1"])
@given(parts=XML_PARTS, max_rows=sizes, num_parts=sizes)
@settings(max_examples=60, deadline=None)
def test_xml(encoding: str, parts: list[str], max_rows: int, num_parts: int) -> None:
    declared = "utf-16" if encoding.startswith("utf-16") else encoding
    head = f"<?xml version='1.0' encoding='{declared}'?><rss xmlns:g='http://base.google.com/ns/1.0'><channel>"
    content = (head + "".join(parts) + "</channel></rss>").encode(encoding)
    assert_pieces_read_as_the_whole(content, "google_xml", max_rows, num_parts)


@given(num_rows=st.integers(1, 40), max_rows=sizes, num_parts=sizes)
@settings(max_examples=60, deadline=None)
def test_parquet(num_rows: int, max_rows: int, num_parts: int) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [f"i{number}" for number in range(num_rows)]}), file, row_group_size=7)
    assert_pieces_read_as_the_whole(file.getvalue(), "parquet", max_rows, num_parts)


def test_every_format_can_be_cut_again() -> None:
    for feed_format, write in WRITERS.items():
        content = write([(f"i{number}", *"abcde") for number in range(20)])
        assert_pieces_read_as_the_whole(content, feed_format, 8, 3)


def test_a_slice_of_unknown_or_no_rows_stays_as_it_is() -> None:
    whole, none = Slice(), Slice(num_slices=0, num_rows=0)
    assert subslices(io.BytesIO(b"id\na\n"), "feed.x", "csv", whole, 3) == [whole]
    assert subslices(io.BytesIO(b"id\na\n"), "feed.x", "csv", none, 3) == [none]
