"""Fuzz of feeds: whatever the bytes, a feed is refused by name, or its rows are clean text and none is lost."""

import bz2
import gzip
import io
import lzma
import zipfile
from dataclasses import replace

from catalog.feeds.contents import open_content
from catalog.feeds.feed import COLUMNS, DEFAULT_OPTIONS, FEED_SCHEMA, MAX_FIELD_BYTES, REJECTED_ROWS_SCHEMA, FeedError
from catalog.feeds.findings import Findings
from catalog.feeds.formats import FEED_READERS
from tests.catalog.feeds.reading import WRITERS, as_atom

# Unicode's white space. Python counts four control characters to it, which separated records once.
SPACES = "".join(each for each in map(chr, range(0x3001)) if each.isspace() and not "\x1c" <= each <= "\x1f")
MAX_ROWS = 200_000  # of an example; more take too long
ROWS = [
    ("a", "Shoe", "http://shop.example/a.jpg", "", "187", "Apparel > Shoes"),
    ("b", 'A "quoted" Söhne, & <b>', "http://shop.example/b.jpg", "g", "", ""),
    ("c", "line\nend", "", "g", "A > B", "\U0001f45f"),
]


def corpus(feed_format: str) -> list[bytes]:
    """Small feeds of a format."""
    write = WRITERS[feed_format]
    feeds = [write(ROWS), write(ROWS[:1]), write(ROWS * 20)]
    if feed_format == "google_xml":
        feeds += [
            as_atom(ROWS),
            b'<?xml version="1.0" encoding="utf-16"?>',
            b"<![CDATA[x]]>",
            b"&#38;",
            b"<!DOCTYPE x>",
        ]
    if feed_format in ("google_tsv", "csv"):
        text = feeds[0].decode()
        feeds += [text.encode("utf-16"), text.encode("cp1252", errors="replace"), b"sep=;\r\nid;title\r\na;b\r\n"]
        feeds += [
            b"title of all\n\n" + feeds[0],
            feeds[0].replace(b"\r\n", b"\r"),
            b'id|title|image_link\na|"b\nc"|d\n',
        ]
    if feed_format == "json_lines":
        feeds += [b'{"id": 1e999, "title": ["a", {}], "price": null}\n', b"[[[[", b'{"id": "\\ud800"}\n']
    return feeds


def check(feed_format: str, data: bytes) -> None:
    """Raises AssertionError, or the error itself, where a promise is broken."""
    first_row = 1
    try:
        for batch in FEED_READERS[feed_format](io.BytesIO(data), "feed.x", DEFAULT_OPTIONS):
            assert batch.rows.schema == FEED_SCHEMA
            assert batch.rejected.schema == REJECTED_ROWS_SCHEMA
            numbers = sorted({*batch.rows["row"], *batch.rejected["row"]})  # a row may be kept without an attribute
            assert numbers == list(range(first_row, first_row + len(numbers)))
            first_row += len(numbers)
            for column in COLUMNS:
                for text in batch.rows[column].drop_nulls():
                    assert (
                        text
                        and text == text.strip(SPACES)
                        and "\0" not in text
                        and len(text.encode()) <= MAX_FIELD_BYTES
                    )
            if first_row > MAX_ROWS:
                return
    except FeedError as error:
        assert str(error).startswith("feed.x: ")


def check_compressed(data: bytes) -> None:
    """Likewise, of a feed in a file of any kind, whose format its bytes show."""
    for filename in ("feed.tsv.gz", "feed.zip", "feed.csv"):
        options = replace(DEFAULT_OPTIONS, findings=Findings())
        try:
            with open_content(io.BytesIO(data), filename, "feed.x", options) as content:
                if content.feed_format == "spreadsheet":  # a process for each example takes too long
                    return
                for _ in FEED_READERS[content.feed_format](content.stream, "feed.x", options):
                    pass
        except FeedError as error:
            assert str(error).startswith("feed.x: ")


def compressed_corpus() -> list[bytes]:
    """Small compressed feeds."""
    import pyarrow as pa

    feed = WRITERS["google_tsv"](ROWS * 20)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(feed)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("feed.tsv", feed)
        written.writestr("__MACOSX/._feed.tsv", b"x")
    return [
        gzip.compress(feed),
        sink.getvalue().to_pybytes(),
        gzip.compress(feed) * 2,
        bz2.compress(feed),
        lzma.compress(feed),
        archive.getvalue(),
        feed.decode().encode("utf-16"),
        feed.decode().encode("utf-32-be"),
    ]
