"""Catalog files: texts of every kind come back from pandas, the csv module, JSON and Parquet as they were."""

import csv
import io
import json
from collections.abc import Callable

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.exports.catalog_files import (
    BYTE_ORDER_MARK,
    CATALOG_FORMATS,
    write_csv,
    write_json_lines,
    write_parquet_groups,
    write_spreadsheet_csv,
)
from tests.catalog.exports.small_store import NOON

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ROWS = st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.none() | st.integers(-9, 9)), min_size=1, max_size=5)
SCHEMA = {"id": pl.String, "title": pl.String, "number": pl.Int64}
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1")


def written(write: Callable[..., None], *frames: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    write(frames, file)
    return file.getvalue()


@given(ROWS, ROWS)
def test_csv_comes_back_from_the_csv_module_and_polars(first: list[tuple], second: list[tuple]) -> None:
    frames = [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (first, second)]
    data = written(write_csv, *frames)
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    expected = [["" if value is None else str(value) for value in row] for row in first + second]
    assert (header, rows) == (list(SCHEMA), expected)
    assert pl.read_csv(data, schema=SCHEMA).equals(pl.concat(frames))


@given(ROWS)
def test_csv_for_spreadsheets_comes_back_from_pandas_without_a_formula(rows: list[tuple]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    data = written(write_spreadsheet_csv, frame)
    assert data.startswith(BYTE_ORDER_MARK)
    read = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, lineterminator="\n")
    for column in ("id", "title"):
        for text, found in zip(frame[column], read[column], strict=True):
            assert found.removeprefix("'") == (text or "").removeprefix("'")
            assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_starts_like_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    data = written(write_spreadsheet_csv, pl.DataFrame({"title": [text, "24 = 1"], "number": [-1, 1]}))
    [_, first, second] = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert (first, second) == ([f"'{text}", "-1"], ["24 = 1", "1"])
    assert "'" not in written(write_csv, pl.DataFrame({"title": [text]})).decode()


@given(ROWS, ROWS)
def test_json_lines_come_back_from_json_and_pandas(first: list[tuple], second: list[tuple]) -> None:
    frames = [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (first, second)]
    data = written(write_json_lines, *frames)
    lines = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    assert lines == pl.concat(frames).to_dicts()
    read = pd.read_json(io.BytesIO(data), lines=True, dtype=False, convert_dates=False)
    assert read["id"].tolist() == [row[0] for row in first + second]


@given(ROWS, ROWS)
def test_parquet_comes_back_from_pandas(first: list[tuple], second: list[tuple]) -> None:
    frames = [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in (first, second)]
    read = pd.read_parquet(io.BytesIO(written(write_parquet_groups, *frames)))
    assert read["id"].tolist() == [row[0] for row in first + second]
    assert pl.from_pandas(read).cast(SCHEMA).equals(pl.concat(frames))


def test_lists_and_times_have_a_text_in_csv_and_their_kind_elsewhere() -> None:
    alternatives = [{"category_id": 7, "probability": 0.5}]
    frame = pl.DataFrame({"alternatives": [alternatives, []], "changed_at": [NOON, None]})
    [_, first, second] = csv.reader(io.StringIO(written(write_csv, frame).decode(), newline=""))
    assert (json.loads(first[0]), json.loads(second[0])) == (alternatives, [])
    assert (first[1], second[1]) == ("2026-11-10T12:00:00.000000Z", "")
    line = json.loads(written(write_json_lines, frame).splitlines()[0])
    assert line == {"alternatives": alternatives, "changed_at": "2026-11-10T12:00:00.000000Z"}
    assert pl.read_parquet(io.BytesIO(written(write_parquet_groups, frame))).equals(frame)


@pytest.mark.parametrize("name", CATALOG_FORMATS)
def test_no_rows_make_a_file_with_the_columns_alone(name: str) -> None:
    empty = pl.DataFrame(schema=SCHEMA)
    data = written(CATALOG_FORMATS[name], empty, empty)
    if name == "parquet":
        assert pl.read_parquet(io.BytesIO(data)).schema == SCHEMA
    else:
        assert data.decode("utf-8-sig") == ("" if name == "jsonl" else "id,title,number\n")
