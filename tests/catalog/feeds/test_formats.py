"""All feed formats: the same rows in, the same rows out."""

import io
import tracemalloc

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.feed import ATTRIBUTES as ATTRIBUTE_COLUMNS
from catalog.feeds.feed import DEFAULT_OPTIONS, FEED_SCHEMA, MAX_BATCH_ROWS, REJECTED_ROWS_SCHEMA, FeedError
from catalog.feeds.formats import FEED_READERS, FORMAT_OF_SUFFIX, format_of
from tests.catalog.feeds.reading import ATTRIBUTES, WRITERS, Endless, Row, as_atom, read

# Text that every format can carry: no control characters, no lone surrogates, nothing that XML forbids.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
VALUES = TEXTS | st.text('"\t ,;<&>a'.replace("\t", ""), max_size=6)
ROWS = st.lists(st.tuples(*[VALUES] * len(ATTRIBUTES)), min_size=1, max_size=8)

SHOES: Row = ("s1", "Shoes", "http://shop/s1.jpg", "", "187", "Footwear > Trainers")
SHIRT: Row = ("s2", 'A "fine" shirt, 24"', "http://shop/s2.jpg", "g", "", "")


def expected(rows: list[Row]) -> pl.DataFrame:
    """The rows as `FEED_SCHEMA`, by plain Python."""
    values = [[value.strip() or None for value in row] for row in rows]
    others = [None] * (len(ATTRIBUTE_COLUMNS) - len(ATTRIBUTES))
    return pl.DataFrame([(n, *row, *others) for n, row in enumerate(values, 1)], schema=FEED_SCHEMA, orient="row")


@pytest.mark.parametrize("feed_format", [each for each in FEED_READERS if each != "spreadsheet"])
@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_the_same_rows_are_read_from_every_format(feed_format: str, rows: list[Row]) -> None:
    batch = read(feed_format, WRITERS[feed_format](rows))
    assert batch.rows.equals(expected(rows))
    assert batch.rejected.is_empty()
    assert batch.rejected.schema == REJECTED_ROWS_SCHEMA


@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_atom_is_read_as_rss_is(rows: list[Row]) -> None:
    assert read("google_xml", as_atom(rows)).rows.equals(expected(rows))


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_a_large_feed_comes_in_batches_and_keeps_its_rows_counted(feed_format: str) -> None:
    rows = [(f"id{n}", *SHOES[1:]) for n in range(2 * MAX_BATCH_ROWS + 5)]
    content = io.BytesIO(WRITERS[feed_format](rows))
    batches = list(FEED_READERS[feed_format](content, "feed", DEFAULT_OPTIONS))
    assert len(batches) >= 3
    assert all(batch.rows.height <= MAX_BATCH_ROWS for batch in batches)
    assert pl.concat([batch.rows for batch in batches]).equals(expected(rows))


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_an_empty_file_is_refused_by_name(feed_format: str) -> None:
    with pytest.raises(FeedError, match=r"feed\.x: .*deliver"):
        read(feed_format, b"")


@pytest.mark.parametrize("feed_format", FEED_READERS)
def test_a_feed_without_a_row_is_refused_by_name(feed_format: str) -> None:
    with pytest.raises(FeedError, match=r"feed\.x: no product in it"):
        read(feed_format, WRITERS[feed_format]([]))


@pytest.mark.parametrize("feed_format", FEED_READERS)
@pytest.mark.parametrize("other", FEED_READERS)
def test_a_file_of_another_format_is_refused_and_never_half_read(feed_format: str, other: str) -> None:
    if feed_format == other or {feed_format, other} == {"google_tsv", "csv"}:  # the delimiter is detected
        assert read(feed_format, WRITERS[other]([SHOES, SHIRT])).rows.height == 2
    else:
        with pytest.raises(FeedError, match=r"^feed\.x: "):
            read(feed_format, WRITERS[other]([SHOES, SHIRT]))


@pytest.mark.parametrize("feed_format", [each for each in FEED_READERS if each != "spreadsheet"])
@given(content=st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_any_bytes_are_refused_or_read_but_never_fail_otherwise(feed_format: str, content: bytes) -> None:
    try:
        batch = read(feed_format, content)
    except FeedError as error:
        assert str(error).startswith("feed.x: ")
    else:
        assert batch.rows.height + batch.rejected.height > 0


# A cell of a spreadsheet has 32,767 characters at most.
@pytest.mark.parametrize("feed_format", [each for each in FEED_READERS if each != "spreadsheet"])
def test_a_field_of_many_kilobytes_rejects_its_row_alone(feed_format: str) -> None:
    rows = [SHOES, ("s3", "x" * 200_000, *SHOES[2:]), SHIRT]
    batch = read(feed_format, WRITERS[feed_format](rows))
    assert batch.rows["item_id"].to_list() == ["s1", "s2"]
    assert batch.rows["row"].to_list() == [1, 3]
    assert batch.rejected.select("row", "reason", "detail").rows() == [
        (2, "field_too_large", "title is longer than 100,000 bytes")
    ]
    assert len(batch.rejected["raw"][0]) == 2_000
    assert batch.rejected["raw"][0].startswith("s3\txxx")


HEAD, TAIL = b"\t".join(a.encode() for a in ATTRIBUTES), "\t".join(SHOES).encode()
HUGE_FEEDS = {
    "google_tsv": (HEAD + b"\ns0\t", b"\t\t\t\t\n" + TAIL),
    "csv": (HEAD.replace(b"\t", b",") + b"\ns0,", b",,,,\n" + TAIL.replace(b"\t", b",")),
    "google_xml": (
        b"<rss><channel><item><id>s0</id><title>",
        b"</title></item><item><id>s1</id></item></channel></rss>",
    ),
}


@pytest.mark.parametrize("case", HUGE_FEEDS)
def test_a_field_of_40_megabytes_rejects_its_row_in_a_few_megabytes_of_memory(case: str) -> None:
    start, end = HUGE_FEEDS[case]
    tracemalloc.start()
    try:
        batch = read(case, Endless(start, b"x" * 40_000, 1_000, end))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 32_000_000
    assert batch.rows.select("row", "item_id").rows() == [(2, "s1")]
    assert batch.rejected.select("row", "reason").rows() == [(1, "field_too_large")]


def test_every_format_has_a_suffix_and_every_suffix_a_reader() -> None:
    assert set(FORMAT_OF_SUFFIX.values()) == set(FEED_READERS)
    assert format_of("northloom/Shoes.2024.TSV") == "google_tsv"
    assert format_of("a.txt") == "google_tsv"
    assert format_of("a.xml") == "google_xml"
    assert format_of("a.csv") == "csv"
    assert format_of("a.parquet") == "parquet"
    assert format_of("a.ndjson") == "json_lines"
    assert format_of("a.tsv.gz") == "google_tsv"
    assert format_of("a.XML.ZST") == "google_xml"


@pytest.mark.parametrize("filename", ["feed.docx", "feed", "feed.pdf", "feed.gz", ".tsv"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(filename: str) -> None:
    with pytest.raises(
        ValueError, match=r"known are \.tsv, \.txt, \.xml, \.parquet, \.csv, \.jsonl, \.ndjson, \.json, \.xlsx"
    ):
        format_of(filename)


def test_parquet_in_a_compressed_file_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"deliver it as feed\.parquet"):
        format_of("feed.parquet.gz")


def test_the_attributes_are_those_of_merchant_center() -> None:
    assert tuple(ATTRIBUTE_COLUMNS) == (
        *ATTRIBUTES,
        *("description", "additional_image_link", "brand", "price", "availability", "gtin"),
        *("color", "pattern", "material", "size", "gender", "age_group"),
    )
