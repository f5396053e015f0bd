"""CSV and Parquet feeds."""

import csv
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import as_parquet, read


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


FIELDS = st.text('a",;\n\t é', max_size=6)


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
@given(rows=st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=8), quoting=st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_python_s_csv_module_writes_is_read_as_it_reads_it(
    delimiter: str, rows: list[tuple[str, str, str]], quoting: bool
) -> None:
    text = io.StringIO(newline="")
    style = csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, quoting=style, lineterminator="\n")
    writer.writerows([("id", "title", "color"), *((f"i{number}", *row[1:]) for number, row in enumerate(rows))])
    batch = read("csv", text.getvalue().encode())
    expected = [
        tuple(each.strip() or None for each in row)
        for row in csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter)
    ][1:]
    assert batch.rejected.is_empty()
    assert batch.rows.select("item_id", "title", "color").rows() == expected


def test_a_quoted_csv_field_may_hold_commas_line_ends_and_quotes() -> None:
    batch = read("csv", b'id,title\r\na,"Shoe, ""red""\r\nand blue"\r\nb,Hat\r\n')
    assert batch.rows["title"].to_list() == ['Shoe, "red"\r\nand blue', "Hat"]


def test_broken_csv_rows_are_rejected_and_the_others_are_read() -> None:
    batch = read("csv", b'id,title\na,Shoe,red\nb,24" TV\n"c\xff",x\xc3\xa9\nd,"x\0"\ne,y\n')
    assert batch.rows.select("row", "item_id", "title").rows() == [(2, "b", '24" TV'), (5, "e", "y")]
    assert batch.rejected.select("row", "reason").rows() == [
        (1, "wrong_field_count"),
        (3, "invalid_utf8"),
        (4, "nul_byte"),
    ]


def test_a_csv_quote_that_is_never_closed_is_text() -> None:
    assert read("csv", b'id,title\na,Shoe\nb,"Hat\nc,Bag\n').rows["title"].to_list() == ["Shoe", '"Hat', "Bag"]


def test_csv_with_semicolons_is_read() -> None:
    assert read("csv", b"id;title\na;Shoe\n").rows["title"].to_list() == ["Shoe"]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["1", "2", None], pa.large_string()),
        pa.array(["1", "2", None], pa.string_view()),
        pa.array([b"1", b"2", None], pa.binary()),
        pa.array([1, 2, None], pa.int64()),
        pa.array([1, 2, None], pa.uint8()),
        pa.array([1.0, 2.0, None], pa.float64()),
        pa.array([1.0, 2.0, float("nan")], pa.float32()),
        pa.array([Decimal("1.00"), Decimal("2.00"), None]),
        pa.array([1, 2, None]).dictionary_encode(),
        pa.array(["1", "2", None]).dictionary_encode(),
    ],
)
def test_parquet_ids_may_be_any_kind_of_text_or_whole_number(ids: pa.Array) -> None:
    assert read("parquet", parquet(id=ids)).rows["item_id"].to_list() == ["1", "2", None]


def test_a_parquet_column_of_nothing_but_nulls_is_empty() -> None:
    rows = read("parquet", parquet(id=["a"], title=pa.nulls(1))).rows
    assert rows.row(0)[:2] == (1, "a")
    assert set(rows.row(0)[2:]) == {None}


def test_parquet_column_names_are_known_in_any_case() -> None:
    rows = read("parquet", parquet(**{"Image Link": ["u"], "price": [1.5], "ID": ["a"]})).rows
    assert rows.select("item_id", "image_url").row(0) == ("a", "u")


def test_broken_parquet_values_reject_their_row_alone() -> None:
    values = pa.array([b"fine", b"\xff\xfe", b"N\0L", b"x" * 100_001], pa.binary())
    claimed_text = values.view(pa.string())  # nothing checks it when the file is written
    batch = read("parquet", parquet(id=["a", "b", "c", "d"], title=claimed_text))
    assert batch.rows["item_id"].to_list() == ["a"]
    assert batch.rejected["reason"].to_list() == ["invalid_utf8", "nul_byte", "field_too_large"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"sku": ["a"], "title": ["Shoe"]}, "no column 'id'; the header has 'sku', 'title'"),
        ({"id": ["a"], "Id": ["b"]}, "two columns mean 'id'"),
        ({"id": ["a"], "title": [[["Shoe"]]]}, "column 'title' holds list"),
        ({"id": ["a"], "image_link": [{"src": "u"}]}, "column 'image_link' holds struct"),
        ({"id": pa.array([], pa.string())}, "no product in it"),
    ],
)
def test_parquet_of_another_schema_is_refused_by_name(columns: dict[str, Any], problem: str) -> None:
    with pytest.raises(FeedError, match=rf"^feed\.x: {problem}"):
        read("parquet", parquet(**columns))


def test_parquet_that_is_cut_off_or_damaged_is_refused_by_name() -> None:
    content = as_parquet([(f"id{n}", "Shoe" * n, "u", "", "", "") for n in range(500)])
    damaged = content[:40] + b"\xff" * 400 + content[440:]
    for broken in (content[: len(content) // 2], content[:-1], content[1:], damaged, b"PAR1", b"no"):
        with pytest.raises(FeedError, match=r"^feed\.x: not a readable Parquet file .*deliver it again"):
            read("parquet", broken)


def test_parquet_rows_are_counted_across_row_groups() -> None:
    file = io.BytesIO()
    frame = pl.DataFrame({"id": [f"id{n}" for n in range(5_000)]})
    frame.write_parquet(file, row_group_size=700)
    rows = read("parquet", file.getvalue()).rows
    assert rows["row"].to_list() == list(range(1, 5_001))
    assert rows["item_id"].to_list() == frame["id"].to_list()
