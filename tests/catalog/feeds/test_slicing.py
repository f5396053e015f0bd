"""Slices: whatever the content and wherever it is cut, the slices together read as the whole file does."""

import gzip
import io
import random
from collections.abc import Callable
from typing import BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import FEED_READERS, FeedBatch, FeedError
from catalog.feeds.delimited import records
from catalog.feeds.record_starts import record_starts
from catalog.feeds.slicing import content_of, read_slice, slices
from tests.catalog.feeds.reading import ATTRIBUTES, WRITERS, Trickle, as_atom, as_rss, as_tsv, read

# Everything that decides where a record ends, and a little that does not.
DELIMITED = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b'"', b'""', b",", b"\t", b'"a\nb"', b',"']))
XML_PARTS = st.lists(
    st.sampled_from(
        [
            "<item><g:id>1</g:id></item>",
            "<item><title>x</title><item>inner</item></item>",
            "<a:item xmlns:a='urn:a&amp;b'><g:id>2</g:id></a:item>",
            "<!-- <item> -->",
            "<![CDATA[<item>]]>",
            "<?pi <item?>",
            "text",
            "</channel><channel>",
            "<group xmlns:h='http://base.google.com/ns/1.0'><item><h:id>3</h:id></item>\n<item/></group>",
            "<item><g:id>é</g:id></item>",
        ]
    ),
    max_size=12,
)


def sliced(
    content: bytes, feed_format: str, max_rows: int, opened: Callable[[bytes], BinaryIO] = io.BytesIO
) -> FeedBatch:
    """All slices' rows, one slice after the other."""
    parts = slices(opened(content), "feed.x", feed_format, max_rows)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.num_slices == len(parts) for part in parts)
    assert all(part.num_rows == max_rows for part in parts[:-1])
    batches = [batch for part in parts for batch in read_slice(opened(content), "feed.x", feed_format, part)]
    return FeedBatch(pl.concat([batch.rows for batch in batches]), pl.concat([batch.rejected for batch in batches]))


def assert_slices_read_as_the_whole(content: bytes, feed_format: str, max_rows: int) -> None:
    try:
        whole = read(feed_format, content)
    except FeedError as refused:
        with pytest.raises(FeedError) as refused_too:
            sliced(content, feed_format, max_rows)
        if "no product in it" not in str(refused_too.value):
            assert str(refused_too.value) == str(refused)
        return
    parts = sliced(content, feed_format, max_rows)
    assert parts.rows.equals(whole.rows)
    assert parts.rejected.equals(whole.rejected)


@pytest.mark.parametrize("feed_format", ["google_tsv", "csv"])
@given(header=st.sampled_from([b"", b"\n\r\n", b"\xef\xbb\xbf"]), parts=DELIMITED, max_rows=st.integers(1, 4))
@settings(max_examples=300, deadline=None)
def test_delimited_text_can_be_cut_anywhere(feed_format: str, header: bytes, parts: list[bytes], max_rows: int) -> None:
    separator = b"\t" if feed_format == "google_tsv" else b","
    content = header + separator.join([b"id", b"title"]) + b"\n" + b"".join(parts)
    assert_slices_read_as_the_whole(content, feed_format, max_rows)


@given(
    parts=st.lists(st.sampled_from([b'{"id": "a"}', b"\n", b"\r\n", b"[]", b"{", b"null", b'{"id": 1}\n'])),
    max_rows=st.integers(1, 4),
)
@settings(max_examples=300, deadline=None)
def test_json_lines_can_be_cut_anywhere_even_before_a_broken_line(parts: list[bytes], max_rows: int) -> None:
    assert_slices_read_as_the_whole(b"".join(parts), "json_lines", max_rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"])
@given(parts=XML_PARTS, max_rows=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_xml_can_be_cut_between_any_products(encoding: str, parts: list[str], max_rows: int) -> None:
    declared = encoding if len(encoding) != len("utf-16-le") else "utf-16"
    text = (
        f"<?xml version='1.0' encoding='{declared}'?><rss xmlns:g='http://base.google.com/ns/1.0' a='1>2'><channel>"
        + "".join(parts)
        + "</channel></rss>"
    )
    assert_slices_read_as_the_whole(text.encode(encoding), "google_xml", max_rows)


def test_atom_with_a_namespace_for_all_is_cut_too() -> None:
    assert_slices_read_as_the_whole(as_atom([(f"i{n}", *"abcde") for n in range(10)]), "google_xml", 3)


@given(
    row_group_sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5), max_rows=st.integers(1, 9), seed=st.integers(0)
)
@settings(max_examples=60, deadline=None)
def test_parquet_is_cut_across_its_row_groups(row_group_sizes: list[int], max_rows: int, seed: int) -> None:
    rng = random.Random(seed)
    file = io.BytesIO()
    schema = pa.schema([("id", pa.string()), ("title", pa.string())])
    with pq.ParquetWriter(file, schema) as writer:
        for size in row_group_sizes:
            values = [rng.choice(["a", "b\0", None, "c" * 10]) for _ in range(2 * size)]
            writer.write_table(pa.table([values[:size], values[size:]], schema=schema))
    assert_slices_read_as_the_whole(file.getvalue(), "parquet", max_rows)


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_slices_larger_than_a_block_are_cut_at_the_row(feed_format: str) -> None:
    rows = [(f"id{n}", "x" * 300, f"http://shop/{n}.jpg", "", "", "") for n in range(25_000)]
    content = WRITERS[feed_format](rows)
    assert_slices_read_as_the_whole(content, feed_format, 7_001)


@pytest.mark.parametrize("has_multiline_fields", [False, True])
@given(parts=DELIMITED, block_bytes=st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_records_start_where_reading_line_by_line_finds_them(
    has_multiline_fields: bool, parts: list[bytes], block_bytes: int
) -> None:
    content = b"".join(parts)
    source = cast(BinaryIO, Trickle(content, block_bytes))
    try:
        expected = list(records(io.BytesIO(content), "feed.x", has_multiline_fields=has_multiline_fields))
    except FeedError as refused:
        with pytest.raises(FeedError) as refused_too:
            list(record_starts(source, "feed.x", has_multiline_fields=has_multiline_fields))
        assert str(refused_too.value) == str(refused)
        return
    found = record_starts(source, "feed.x", has_multiline_fields=has_multiline_fields)
    starts = [start for offsets in found for start in offsets.tolist()]
    assert len(starts) == len(expected)
    for start, record in zip(starts, expected, strict=True):
        assert content.startswith(record.content, start)


def test_a_slice_is_found_in_a_source_that_cannot_be_sought() -> None:
    content = as_tsv([(f"id{n}", *"abcde") for n in range(10)])
    opened = cast(Callable[[bytes], BinaryIO], lambda content: Trickle(content, 11))
    assert sliced(content, "google_tsv", 3, opened).rows.equals(read("google_tsv", content).rows)


def test_a_slice_is_found_in_what_is_decompressed_on_the_way() -> None:
    content = as_tsv([(f"id{n}", *"abcde") for n in range(10)])
    packed = gzip.compress(content)
    opened = cast(Callable[[bytes], BinaryIO], lambda content: gzip.GzipFile(fileobj=io.BytesIO(content)))
    assert sliced(packed, "google_tsv", 3, opened).rows.equals(read("google_tsv", content).rows)


def test_a_feed_that_fits_is_one_slice_and_read_as_it_is() -> None:
    content = as_rss([("i", *"abcde")] * 3)
    (part,) = slices(io.BytesIO(content), "feed.xml", "google_xml", 3)
    source = io.BytesIO(content)
    assert content_of(source, part) is source


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_a_feed_without_rows_is_refused(feed_format: str) -> None:
    with pytest.raises(FeedError, match="no product in it"):
        slices(io.BytesIO(WRITERS[feed_format]([])), "feed.x", feed_format, 10)


def test_a_damaged_parquet_file_is_refused() -> None:
    with pytest.raises(FeedError, match="not a readable Parquet file"):
        slices(io.BytesIO(b"PAR1 but no more"), "feed.x", "parquet", 10)


def test_a_slice_that_lost_rows_since_it_was_counted_is_refused() -> None:
    content = as_tsv([(f"id{n}", *"abcde") for n in range(10)])
    part = slices(io.BytesIO(content), "feed.x", "google_tsv", 4)[2]
    with pytest.raises(FeedError, match="where 2 were counted"):
        list(read_slice(io.BytesIO(content[: -len("id9.a.b.c.d.e..")]), "feed.x", "google_tsv", part))


def test_a_tag_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    content = b"<rss><channel><item><title>" + b"<x a='" + b"y" * 9_000_000
    with pytest.raises(FeedError, match="a tag or comment longer"):
        slices(io.BytesIO(content), "feed.xml", "google_xml", 10)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<!DOCTYPE rss [<!ENTITY a 'aaaa'>]><rss/>", "document type"),
        (b"<rss><channel><item>", "broken XML"),
        (b"<html/>", "not <rss> or <feed>"),
        (b"<rss><g:item/></rss>", "broken XML"),
    ],
)
def test_xml_that_is_refused_when_read_is_refused_when_cut(content: bytes, problem: str) -> None:
    for refuse in (lambda: slices(io.BytesIO(content), "f", "google_xml", 2), lambda: read("google_xml", content)):
        with pytest.raises(FeedError, match=problem):
            refuse()


@pytest.mark.parametrize("max_rows", [0, -1])
def test_no_rows_a_delivery_is_no_limit(max_rows: int) -> None:
    with pytest.raises(ValueError, match="allow 1 at least"):
        slices(io.BytesIO(as_tsv([("i", *"abcde")])), "feed.x", "google_tsv", max_rows)


def test_attributes_are_those_of_the_whole_in_every_slice() -> None:
    content = as_tsv([(f"id{n}", *"abcde") for n in range(4)], header=tuple(reversed(ATTRIBUTES)))
    assert_slices_read_as_the_whole(content, "google_tsv", 1)
