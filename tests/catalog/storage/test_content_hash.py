"""`content_hash`: equal tables have one hash, whatever their memory looks like; any other content has another."""

import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from catalog.storage.content_hash import _content, content_hash

ALL_TYPES = {
    "text": pl.Series(["a", None, "", "ä"]),
    "flag": pl.Series([True, None, False, True]),
    "number": pl.Series([1.5, None, float("nan"), 0.0]),
    "day": pl.Series([0, None, 1, 2]).cast(pl.Date),
    "price": pl.Series([1, None, 2, 3]).cast(pl.Decimal(10, 2)),
    "bytes": pl.Series([b"a", None, b"", b"b"]),
    "kind": pl.Series(["x", None, "y", "x"], dtype=pl.Categorical),
    "links": pl.Series([["x", None], None, [], [""]]),
    "vector": pl.Series([[1, 2], None, [3, 4], [5, None]], dtype=pl.Array(pl.Int8, 2)),
    "paths": pl.Series([[{"id": 1, "names": ["a"]}], None, [], [{"id": None, "names": None}]]),
    "nothing": pl.Series([None, None, None, None]),
}


@pytest.fixture
def frame() -> pl.DataFrame:
    return pl.DataFrame(ALL_TYPES)


def test_it_counts_schema_values_and_order(frame: pl.DataFrame) -> None:
    others = [frame.reverse(), frame.rename({"links": "images"}), frame.head(3), frame.head(0), frame.clear(5)]
    assert len({content_hash(each) for each in (frame, *others)}) == 6
    for name in frame.columns:
        changed = frame.with_columns(frame[name].gather([0, 0, 2, 3]))
        assert (content_hash(changed) == content_hash(frame)) == (name == "nothing"), name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([["a"], ["b", "c"]], [["a", "b"], ["c"]]),
        ([[], None], [None, []]),
        ([[None], []], [[], [None]]),
        (["ab", "c"], ["a", "bc"]),
        (["", None], [None, ""]),
        ([False, None], [None, False]),
        ([{"a": None}, None], [None, {"a": None}]),
    ],
)
def test_boundaries_and_nulls_count(one: list[object], other: list[object]) -> None:
    assert content_hash(pl.DataFrame({"values": one})) != content_hash(pl.DataFrame({"values": other}))


def test_two_columns_are_not_one_another() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert content_hash(frame) != content_hash(pl.DataFrame({"a": [3, 4], "b": [1, 2]}))


def test_products_that_were_joined_have_the_hash_of_those_that_were_read() -> None:
    """A join leaves other bits behind nulls than a file does."""
    frame = pl.DataFrame({"id": ["a", "b", "c"], "brand": pl.Series([None, None, None], dtype=pl.String)})
    joined = frame.select("id").join(frame, on="id", maintain_order="left")
    assert content_hash(joined) == content_hash(frame)


@settings(max_examples=60)
@given(dataframes(min_cols=1, max_cols=4, max_size=6, allow_null=True))
def test_it_does_not_depend_on_how_a_table_was_made(frame: pl.DataFrame) -> None:
    expected = content_hash(frame)
    assert content_hash(pl.concat([frame[:1], frame[1:]], rechunk=False)) == expected
    assert content_hash(pl.concat([frame, frame])[len(frame) :]) == expected
    assert content_hash(frame.reverse().reverse()) == expected
    is_row = pl.Series([True] * len(frame), dtype=pl.Boolean)
    assert content_hash(frame.filter(is_row)) == expected


def test_every_type_survives_a_file(frame: pl.DataFrame) -> None:
    file = io.BytesIO()
    frame.write_parquet(file)
    file.seek(0)
    assert content_hash(pl.read_parquet(file)) == content_hash(frame)


@given(st.lists(st.binary(max_size=20), max_size=30), st.data())
def test_bytes_of_a_column_are_hashed_as_they_follow_each_other(values: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    column = pl.Series(values, dtype=pl.Binary)
    for part, expected in ((column[cut:], values[cut:]), (column[:cut], values[:cut])):
        assert bytes(_content(part)) == b"".join(expected)
