"""Declared sizes are lies: nothing that a feed claims of its rows, depth or names costs more than its bytes warrant."""

import gzip
import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.feeds import row_limits
from catalog.feeds.compression import COMPRESSIONS, decompressed
from catalog.feeds.feed import DEFAULT_OPTIONS, MAX_ROW_BYTES, FeedError
from catalog.feeds.formats import FEED_READERS
from catalog.feeds.registration import register
from catalog.feeds.sampling import sample_feed
from catalog.feeds.sources import FeedFile, InboxError
from tests.catalog.feeds.reading import ATTRIBUTES, WRITERS, read
from tests.catalog.feeds.registering import SUFFIXES

GROUP_ROWS = 1_000_000
OPEN = b'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
CLOSE = b"</channel></rss>"
ITEM = b"<item><g:id>a</g:id><g:title>Shoe</g:title></item>"


def in_groups(column: pa.Array, num_groups: int = 3, **options: object) -> bytes:
    """A Parquet file of the same rows again and again, and of nothing but ids."""
    file, table = io.BytesIO(), pa.table({"id": column})
    with pq.ParquetWriter(file, table.schema, **options) as writer:
        for _ in range(num_groups):
            writer.write_table(table)
    return file.getvalue()


def claiming(num_rows: int) -> bytes:
    """A file of 1,000 rows whose footer claims others: the number stands there twice, as Thrift's zigzag varint."""
    content = in_groups(pa.array([f"{n}" for n in range(1_000)]), 1)
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer, claimed = content[start:-8], varint(num_rows)
    assert footer.count(varint(1_000)) >= 2
    footer = footer.replace(varint(1_000), claimed)
    return content[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def varint(number: int) -> bytes:
    number, written = 2 * number, bytearray()
    while number >= 128:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def lying_parquet() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "a footer that claims 200 million rows", lambda: claiming(200_000_000)
    yield "a footer that claims a million million rows", lambda: claiming(10**12)
    yield "null ids", lambda: in_groups(pa.nulls(GROUP_ROWS))
    yield "the same id in each row", lambda: in_groups(pa.array(np.zeros(GROUP_ROWS, np.int8)))
    yield (
        "ids in sequence, as differences",
        lambda: in_groups(
            pa.array(np.arange(GROUP_ROWS)), use_dictionary=False, column_encoding={"id": "DELTA_BINARY_PACKED"}
        ),
    )


LYING = dict(lying_parquet())


@pytest.mark.parametrize("name", LYING)
def test_a_parquet_file_of_more_rows_than_its_bytes_can_hold_is_refused_before_they_are_read(name: str) -> None:
    content = LYING[name]()
    batches = FEED_READERS["parquet"](io.BytesIO(content), "feed.x", DEFAULT_OPTIONS)
    with pytest.raises(FeedError, match=r"feed\.x: more than .* rows in .* bytes.*deliver a row for each product"):
        next(batches)


def test_a_small_file_may_repeat_itself_for_a_while() -> None:
    assert read("parquet", in_groups(pa.array(["a"] * 1_000), 50)).rows.height == 50_000


@pytest.mark.parametrize("feed_format", ["google_tsv", "google_xml", "csv", "json_lines"])
def test_rows_of_nothing_in_a_small_compressed_file_become_no_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feed_format: str
) -> None:
    monkeypatch.setattr(row_limits, "FREE_ROWS", 5_000)  # as 100,000, sooner
    row = {"google_tsv": b"a\n", "google_xml": b"<item/>", "csv": b"a\n", "json_lines": b"{}\n"}[feed_format]
    start = {"google_tsv": b"id\n", "google_xml": b"<rss>", "csv": b"id\n", "json_lines": b""}[feed_format]
    end = b"</rss>" if feed_format == "google_xml" else b""
    content = gzip.compress(start + row * 15_000 + end)
    assert len(content) < 5_000
    file = inbox_file(tmp_path, f"feed.{SUFFIXES[feed_format]}.gz", content)
    records = UPath(tmp_path / "records")
    with pytest.raises(InboxError, match=r"rows in [\d,]+ bytes"):
        register(file, records=records, received_at=datetime(2024, 5, 1, tzinfo=UTC), max_rows=1_000)
    assert not list((tmp_path / "records").rglob("*.parquet"))


@pytest.mark.parametrize("feed_format", WRITERS)
def test_a_feed_becomes_no_more_deliveries_than_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feed_format: str
) -> None:
    monkeypatch.setattr(row_limits, "MAX_PARTS", 3)
    rows = [(f"{number}", "Shoe", f"http://a/{number}", "", "", "") for number in range(31)]
    for count, is_allowed in ((30, True), (31, False)):
        file = inbox_file(tmp_path, f"feed{count}.{SUFFIXES[feed_format]}", WRITERS[feed_format](rows[:count]))
        arguments = {"records": UPath(tmp_path / "records"), "received_at": datetime(2024, 5, 1, tzinfo=UTC)}
        if is_allowed:
            assert len(register(file, max_rows=10, **arguments)) == 3  # type: ignore[arg-type]
        else:
            with pytest.raises(InboxError, match="more than 30 rows, 3 deliveries of 10; deliver it as several feeds"):
                register(file, max_rows=10, **arguments)  # type: ignore[arg-type]


def inbox_file(folder: Path, name: str, content: bytes) -> FeedFile:
    place = UPath(folder / "inbox" / "shop" / name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return FeedFile.in_inbox(place)


class Chunks(io.RawIOBase):
    """A feed that is made while it is read, and never in memory."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")


def documents() -> Iterator[tuple[str, str, Callable[[], Iterator[bytes]]]]:
    """Documents of XML that would fill memory, each with what is said of it."""
    deep, names = "nested more than 100 deep", "different names"
    million = range(1_000_000)
    yield "elements without end", deep, lambda: iter([OPEN, *[b"<x>" * 10_000] * 100])
    yield "elements without end in a product", deep, lambda: iter([OPEN, b"<item>", *[b"<x>" * 10_000] * 100])
    yield "products in products", deep, lambda: iter([OPEN, *[b"<item>" * 10_000] * 100])
    yield "one level too many", deep, lambda: iter([OPEN, b"<a>" * 99, b"</a>" * 99, CLOSE])
    yield "channels in channels", deep, lambda: iter([b"<rss>", *[b"<channel>" * 10_000] * 100])
    yield "a new name for each element", names, lambda: iter([OPEN, b"<item>", *(b"<a%d/>" % n for n in million)])
    yield "a new name for each attribute", names, lambda: iter([OPEN, *(b'<a b%d="1"/>' % n for n in million)])
    yield "a new prefix for each element", names, lambda: iter([OPEN, *(b'<a xmlns:p%d="u"/>' % n for n in million)])
    yield "names of a megabyte", names, lambda: iter([OPEN, *(b"<a%d%s/>" % (n, b"x" * 200_000) for n in range(50))])
    yield "a new name for each product", names, lambda: iter([OPEN, *(b"<item><g:a%d/></item>" % n for n in million)])


DOCUMENTS = {name: (message, made) for name, message, made in documents()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_would_fill_memory_is_refused(name: str) -> None:
    message, made = DOCUMENTS[name]
    with pytest.raises(FeedError, match=message):
        read("google_xml", Chunks(made()))


def test_nesting_in_a_small_compressed_file_is_refused_early() -> None:
    packed = gzip.compress(OPEN + b"<x>" * 5_000_000)
    assert len(packed) < 50_000
    source = decompressed(io.BytesIO(packed), COMPRESSIONS[0], "feed.x")
    with pytest.raises(FeedError, match="nested more than 100 deep"):
        read("google_xml", source)  # type: ignore[arg-type]


def large_items() -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
    """Products of 40 MB each, of which no single text is too long."""
    text = b"x" * 50_000
    yield "many attributes", lambda: (b"<g:a%d>%s</g:a%d>" % (n, text, n) for n in range(800))
    yield "one attribute again and again", lambda: (b"<g:title>%s</g:title>" % text for _ in range(800))
    yield "text between attributes", lambda: (text for _ in range(800))
    yield "text within an attribute's elements", lambda: (b"<g:x><b>%s</b></g:x>" % text for _ in range(800))
    yield (
        "links without end",
        lambda: (b"<g:additional_image_link>%s</g:additional_image_link>" % text for _ in range(800)),
    )
    yield "empty elements", lambda: (b"<g:a/>" * 10_000 for _ in range(20))


LARGE_ITEMS = dict(large_items())


@pytest.mark.parametrize("name", LARGE_ITEMS)
def test_a_product_of_many_megabytes_is_a_rejected_row_beside_the_others(name: str) -> None:
    made = LARGE_ITEMS[name]
    parts = [OPEN, ITEM, b"<item><g:id>large</g:id>", None, b"</item>", ITEM, CLOSE]
    chunks = (chunk for part in parts for chunk in (made() if part is None else [part]))
    tracemalloc.start()
    try:
        batch = read("google_xml", Chunks(chunks))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert batch.rows["row"].to_list() == [1, 3]
    assert batch.rejected.select("row", "reason").rows() == [(2, "field_too_large")]
    assert batch.rejected["detail"].item() == f"the row is longer than {MAX_ROW_BYTES:,} bytes"
    assert peak < 8 * MAX_ROW_BYTES


@pytest.mark.parametrize("name", ["elements without end in a product", "a new name for each element"])
def test_a_sample_of_a_feed_has_the_same_limits(tmp_path: Path, name: str) -> None:
    message, made = DOCUMENTS[name]
    content = b"".join(chunk for chunk, _ in zip(made(), range(20_000), strict=False))
    with pytest.raises(FeedError, match=message):
        sample_feed(inbox_file(tmp_path, "feed.xml", content))


def test_the_sample_of_an_xml_feed_has_its_own_names(tmp_path: Path) -> None:
    content = WRITERS["google_xml"]([("a", "Shoe", "http://a", "", "", "A > B")])
    assert sample_feed(inbox_file(tmp_path, "feed.xml", content)) == {
        "id": ["a"],
        "title": ["Shoe"],
        "image_link": ["http://a"],
        "product_type": ["A > B"],
    }
    assert set(ATTRIBUTES) >= {"id", "title", "image_link", "product_type"}
