"""Conversion: whatever the content and wherever it is divided, the parts together hold what reading the feed gives."""

import io
import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from catalog.feeds import batches as feed_batches
from catalog.feeds import fast_delimited, parquet_batches
from catalog.feeds.conversion import LIST_FILE, list_parts, listed_parts, read_part, remove_parts, write_parts
from catalog.feeds.deliveries import Part
from catalog.feeds.feed import DEFAULT_OPTIONS, FEED_SCHEMA, REJECTED_ROWS_SCHEMA, FeedBatch, FeedError
from catalog.feeds.formats import FEED_READERS
from catalog.storage.files import StoreNotWritableError
from tests.catalog.feeds.reading import ATTRIBUTES, WRITERS, as_atom, as_tsv, read

FOLDER = "parts/hansen.big/content"
ONE_FOLDER = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

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


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def batches(content: bytes, feed_format: str) -> Iterator[FeedBatch]:
    return FEED_READERS[feed_format](io.BytesIO(content), "feed.x", DEFAULT_OPTIONS)


def joined(read: list[FeedBatch]) -> FeedBatch:
    return FeedBatch(
        pl.concat([FEED_SCHEMA.to_frame(), *(batch.rows for batch in read)]),
        pl.concat([REJECTED_ROWS_SCHEMA.to_frame(), *(batch.rejected for batch in read)]),
    )


def divided(folder: Path, content: bytes, feed_format: str, max_rows: int) -> FeedBatch:
    """The rows of all parts, one part after the other."""
    records = UPath(folder)
    parts = write_parts(batches(content, feed_format), records, FOLDER, max_rows)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.num_parts == len(parts) for part in parts)
    assert all(part.num_rows == max_rows for part in parts[:-1])
    assert [part.first_row for part in parts] == [max_rows * number + 1 for number in range(len(parts))]
    return joined([batch for part in parts for batch in read_part(records / part.file, part)])


def assert_parts_read_as_the_whole(folder: Path, content: bytes, feed_format: str, max_rows: int) -> None:
    try:
        whole = read(feed_format, content)
    except FeedError as refused:
        with pytest.raises(FeedError) as refused_too:
            divided(folder, content, feed_format, max_rows)
        assert str(refused_too.value) == str(refused)
        return
    parts = divided(folder, content, feed_format, max_rows)
    assert parts.rows.equals(whole.rows)
    assert parts.rejected.equals(whole.rejected)


@pytest.mark.parametrize("feed_format", ["google_tsv", "csv"])
@given(header=st.sampled_from([b"", b"\n\r\n", b"\xef\xbb\xbf"]), parts=DELIMITED, max_rows=st.integers(1, 4))
@ONE_FOLDER
def test_delimited_text_can_be_divided_anywhere(
    tmp_path: Path, feed_format: str, header: bytes, parts: list[bytes], max_rows: int
) -> None:
    separator = b"\t" if feed_format == "google_tsv" else b","
    content = header + separator.join([b"id", b"title"]) + b"\n" + b"".join(parts)
    assert_parts_read_as_the_whole(tmp_path, content, feed_format, max_rows)


@given(
    parts=st.lists(st.sampled_from([b'{"id": "a"}', b"\n", b"\r\n", b"[]", b"{", b"null", b'{"id": 1}\n'])),
    max_rows=st.integers(1, 4),
)
@ONE_FOLDER
def test_json_lines_can_be_divided_anywhere_even_before_a_broken_line(
    tmp_path: Path, parts: list[bytes], max_rows: int
) -> None:
    assert_parts_read_as_the_whole(tmp_path, b"".join(parts), "json_lines", max_rows)


@given(
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"]),
    parts=XML_PARTS,
    max_rows=st.integers(1, 4),
)
@ONE_FOLDER
def test_xml_can_be_divided_between_any_products(
    tmp_path: Path, encoding: str, parts: list[str], max_rows: int
) -> None:
    declared = encoding if len(encoding) != len("utf-16-le") else "utf-16"
    text = (
        f"<?xml version='1.0' encoding='{declared}'?><rss xmlns:g='http://base.google.com/ns/1.0' a='1>2'><channel>"
        + "".join(parts)
        + "</channel></rss>"
    )
    assert_parts_read_as_the_whole(tmp_path, text.encode(encoding), "google_xml", max_rows)


def test_atom_with_a_namespace_for_all_is_divided_too(tmp_path: Path) -> None:
    content = as_atom([(f"i{n}", *"abcde") for n in range(10)])
    assert_parts_read_as_the_whole(tmp_path, content, "google_xml", 3)


@given(
    row_group_sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5), max_rows=st.integers(1, 9), seed=st.integers(0)
)
@ONE_FOLDER
def test_parquet_is_divided_across_its_row_groups(
    tmp_path: Path, row_group_sizes: list[int], max_rows: int, seed: int
) -> None:
    rng = random.Random(seed)
    file = io.BytesIO()
    schema = pa.schema([("id", pa.string()), ("title", pa.string())])
    with pq.ParquetWriter(file, schema) as writer:
        for size in row_group_sizes:
            values = [rng.choice(["a", "b\0", None, "c" * 10]) for _ in range(2 * size)]
            writer.write_table(pa.table([values[:size], values[size:]], schema=schema))
    assert_parts_read_as_the_whole(tmp_path, file.getvalue(), "parquet", max_rows)


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_feeds_of_several_batches_are_divided_at_the_row(
    tmp_path: Path, feed_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_batches, "MAX_BATCH_ROWS", 500)
    monkeypatch.setattr(fast_delimited, "MAX_BATCH_ROWS", 500)
    monkeypatch.setattr(parquet_batches, "BATCH_ROWS", 500)
    rows = [(f"id{n}", "x" * 300, f"http://shop/{n}.jpg", "", "", "") for n in range(1_300)]
    content = WRITERS[feed_format](rows)
    assert len(list(batches(content, feed_format))) >= 3
    assert_parts_read_as_the_whole(tmp_path, content, feed_format, 401)


def test_texts_are_kept_exactly_and_rejected_rows_with_their_raw_text_and_reason(tmp_path: Path) -> None:
    links = "http://a/w_4,h_4/1.jpg,http://a/2.jpg"
    rows = [("a", '=1+1 "24"" TV" \u00e9\u2028\u20ac', links, "", "", ""), ("b", "x\0y", "", "", "", "")]
    header = ("id", "title", "additional_image_link", "gtin", "price", "color")
    parts = divided(tmp_path, as_tsv(rows, header) + b"c\n", "google_tsv", 1)
    assert parts.rows.select("row", "title", "additional_image_urls").rows() == [(1, rows[0][1], links)]
    assert parts.rejected.rows() == [
        (2, "b\tx\0y", "nul_byte", "title is text with a NUL byte"),
        (3, "c", "wrong_field_count", "1 fields where the header has 6 (fields separated by tabs)"),
    ]


def test_attributes_are_those_of_the_whole_in_every_part(tmp_path: Path) -> None:
    content = as_tsv([(f"id{n}", *"abcde") for n in range(4)], header=tuple(reversed(ATTRIBUTES)))
    assert_parts_read_as_the_whole(tmp_path, content, "google_tsv", 1)


# -- the folder of the parts ------------------------------------------------------------------------------------------


def ten_rows() -> Iterator[FeedBatch]:
    return batches(as_tsv([(f"id{n}", *"abcde") for n in range(10)]), "google_tsv")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_parts_are_listed_once_the_conversion_is_finished_and_all_files_exist(tmp_path: Path) -> None:
    records = UPath(tmp_path)
    assert listed_parts(records, FOLDER) == []
    parts = write_parts(ten_rows(), records, FOLDER, 4)
    assert listed_parts(records, FOLDER) == []
    list_parts(parts, records, FOLDER)
    assert listed_parts(records, FOLDER) == parts
    (records / parts[1].file).unlink()
    assert listed_parts(records, FOLDER) == []


def test_a_part_with_another_number_of_rows_is_refused_by_name(tmp_path: Path) -> None:
    records = UPath(tmp_path)
    part = write_parts(ten_rows(), records, FOLDER, 4)[2]
    with pytest.raises(FeedError, match=r"00003\.parquet: not a readable part of a feed \(2 rows instead of 3\)"):
        list(read_part(records / part.file, replace(part, num_rows=3)))


def test_a_part_that_is_damaged_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    records = UPath(tmp_path)
    (part,) = write_parts(ten_rows(), records, FOLDER, 10)
    path = records / part.file
    content = path.read_bytes()
    for position in range(0, len(content), 97):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        with pytest.raises(FeedError, match=r"00001\.parquet: not a readable part of a feed"):
            list(read_part(path, part))
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FeedError, match=r"00001\.parquet: not a readable part"):
        list(read_part(path, part))


def test_a_missing_part_is_another_error_than_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_part(UPath(tmp_path / "00001.parquet"), Part(num_rows=1)))


def test_only_the_folders_of_kept_parts_stay(tmp_path: Path) -> None:
    records = UPath(tmp_path)
    old = write_parts(ten_rows(), records, "parts/hansen.big/old", 4)
    new = write_parts(ten_rows(), records, "parts/hansen.big/new", 4)
    other = write_parts(ten_rows(), records, "parts/hansen.other/old", 4)
    remove_parts(records, "hansen.big", [*new, Part(num_rows=0)])
    assert files(tmp_path) == sorted(part.file for part in [*new, *other])
    remove_parts(records, "hansen.big")
    assert files(tmp_path) == sorted(part.file for part in other)
    remove_parts(records, "hansen.never")
    assert not (records / old[0].file).exists()


def test_a_folder_of_an_object_store_serves_too() -> None:
    records = UPath("memory://records")
    parts = write_parts(ten_rows(), records, FOLDER, 4)
    list_parts(parts, records, FOLDER)
    assert listed_parts(records, FOLDER) == parts
    read = joined([batch for part in parts for batch in read_part(records / part.file, part)])
    assert read.rows.equals(joined(list(ten_rows())).rows)
    remove_parts(records, "hansen.big")
    assert listed_parts(records, FOLDER) == []


@contextmanager
def file_size_limit(num_bytes: int) -> Iterator[None]:
    """No file may grow larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)


def test_a_full_disk_is_reported_with_the_path_of_the_part(tmp_path: Path) -> None:
    rows = [(os.urandom(500).hex(), *"abcde") for _ in range(1_000)]
    limit = file_size_limit(100_000)
    with limit, pytest.raises(StoreNotWritableError, match=r"00001\.parquet': File too large; make that place"):
        write_parts(batches(as_tsv(rows), "google_tsv"), UPath(tmp_path), FOLDER, 1_000)
    assert files(tmp_path) == []
    assert LIST_FILE not in files(tmp_path)
