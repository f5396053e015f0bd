"""Tab-separated feeds: one line, one row, however broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import Trickle, as_tsv, read

HEADER = b"id\ttitle\timage_link\n"


@pytest.mark.parametrize(
    "header",
    [
        "id\timage link\ttitle",
        "ID\tImage Link\tTitle",
        "g:id\tg:image_link\tg:title",
        '"id"\t"image_link"\ttitle',
    ],
)
def test_headers_are_known_in_any_case_with_spaces_underscores_and_prefix(header: str) -> None:
    batch = read("google_tsv", f"{header}\na\thttp://x\tShoe\n".encode())
    assert batch.rows.select("item_id", "title", "image_url").row(0) == ("a", "Shoe", "http://x")


def test_unused_columns_are_not_checked() -> None:
    batch = read("google_tsv", b"shelf\tid\tcomment\n7\ta\t\xff\0\n")
    assert batch.rows["item_id"].to_list() == ["a"]


def test_byte_order_mark_carriage_returns_and_blank_lines_are_skipped() -> None:
    batch = read("google_tsv", b"\xef\xbb\xbfid\ttitle\r\n\r\na\tShoe\r\n\nb\tHat")
    assert batch.rows.select("row", "item_id", "title").rows() == [(1, "a", "Shoe"), (2, "b", "Hat")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('24" TV', '24" TV'),
        ('"24"" TV"', '24" TV'),
        ('"a, b"', "a, b"),
        ('"Best" or "worst"', '"Best" or "worst"'),
        ('"', '"'),
        ('""', None),
    ],
)
def test_quotes_count_only_where_a_spreadsheet_set_them(written: str, meant: str | None) -> None:
    assert read("google_tsv", HEADER + f"a\t{written}\t\n".encode()).rows["title"][0] == meant


def test_an_open_quote_never_swallows_the_next_line() -> None:
    batch = read("google_tsv", HEADER + b'a\t"open\t\nb\tHat\t\nc\tBag"\t\n')
    assert batch.rows["title"].to_list() == ['"open', "Hat", 'Bag"']


def test_broken_rows_are_rejected_with_row_and_reason_and_the_others_are_read() -> None:
    lines = [
        "a\tGr\u00f6\u00dfe\thttp://a".encode(),
        b"b\tHat",
        b"c\tB\xe4r\thttp://c",
        b"d\tN\0L\thttp://d",
        b"e\t1\t2\t3",
        b"f\tBag\t",
    ]
    batch = read("google_tsv", HEADER + b"\n".join(lines))
    assert batch.rows.select("row", "item_id", "title").rows() == [
        (1, "a", "Gr\u00f6\u00dfe"),
        (3, "c", "B\u00e4r"),
        (6, "f", "Bag"),
    ]
    assert batch.rejected.rows() == [
        (2, "b\tHat", "wrong_field_count", "2 fields where the header has 3 (fields separated by tabs)"),
        (4, "d\tN\0L\thttp://d", "nul_byte", "title is text with a NUL byte"),
        (5, "e\t1\t2\t3", "wrong_field_count", "4 fields where the header has 3 (fields separated by tabs)"),
    ]


@given(lines=st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and line != b"\r"), min_size=1))
def test_every_line_ends_in_the_rows_or_in_the_rejected(lines: list[bytes]) -> None:
    batch = read("google_tsv", HEADER + b"\n".join(lines))
    found = sorted([*batch.rows["row"], *batch.rejected["row"]])
    assert found == list(range(1, len(lines) + 1))


@given(num_bytes=st.integers(1, 9))
def test_it_does_not_matter_how_the_bytes_arrive(num_bytes: int) -> None:
    content = as_tsv([("a", "Schuh, größer", "u", "", "", ""), ("b", "x", "", "", "", "y")])
    assert read("google_tsv", Trickle(content, num_bytes)).rows.equals(read("google_tsv", content).rows)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"title\timage_link\nShoe\tu\n", r"no column 'id'; the header has 'title', 'image_link'"),
        (b"\x1f\x8b\x08\0\0\0", r"does not start with a header"),
        (b"i" * 5_000_000, r"does not start with a header"),
        (b"\n\r\n\n", r"the file is empty"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name(content: bytes, problem: str) -> None:
    with pytest.raises(FeedError, match=rf"^feed\.x: {problem}"):
        read("google_tsv", content)


@pytest.mark.parametrize("rows", [b'"', b"a\n", b"a\nb", b"\n\na\n"])
@pytest.mark.parametrize(("feed_format", "header"), [("google_tsv", b"id\ttitle\t\n"), ("csv", b"id,title,\n")])
def test_rows_without_any_delimiter_under_a_header_with_a_trailing_one_are_rejected(
    feed_format: str, header: bytes, rows: bytes
) -> None:
    batch = read(feed_format, header + rows)
    assert batch.rows.is_empty()
    assert set(batch.rejected["reason"]) == {"wrong_field_count"}
