"""Parquet's lists of further images, and files that hold more than they weigh."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import compression, parquet_batches
from catalog.feeds.feed import FeedError
from catalog.feeds.parquet_batches import ParquetRows
from tests.catalog.feeds.reading import read

TEXTS = pa.list_(pa.string())
LINKS = st.lists(st.none() | st.sampled_from(["http://a/1", "http://b/2,3", "\u00e9", "x" * 60_000]), max_size=4)
NUM_ROWS = 4_000


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def listed(*lists: list[str | None] | None, kind: pa.DataType = TEXTS) -> pa.Table:
    ids = [str(n) for n in range(len(lists))]
    return pa.table({"id": ids, "additional_image_link": pa.array(lists, kind)})


@pytest.mark.parametrize(
    "kind",
    [
        TEXTS,
        pa.large_list(pa.large_string()),
        pa.list_(pa.binary()),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_a_list_is_read_as_its_links_with_commas_between(kind: pa.DataType) -> None:
    table = listed(["http://a/1", None, "http://a/2"], None, [], ["http://a/3"], kind=kind)
    texts = read("parquet", parquet(table)).rows["additional_image_urls"].to_list()
    assert texts == ["http://a/1,,http://a/2", None, None, "http://a/3"]


def test_lists_of_nothing_are_nothing() -> None:
    table = listed([], [None], None, kind=pa.list_(pa.null()))
    assert read("parquet", parquet(table)).rows["additional_image_urls"].to_list() == [None] * 3


@given(lists=st.lists(st.none() | LINKS, min_size=1, max_size=30), is_careful=st.booleans())
@settings(max_examples=12, deadline=None)
def test_lists_are_joined_as_in_python_and_too_long_ones_reject_their_row(
    lists: list[list[str | None] | None], is_careful: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if is_careful:
            patch.setattr(parquet_batches, "MAX_MODEST_GROUP_BYTES", 0)
            patch.setattr(parquet_batches, "CAREFUL_BATCH_ROWS", 2)
        batch = read("parquet", parquet(listed(*lists)))
    joined = [",".join(link or "" for link in each or []) for each in lists]
    assert batch.rows.select("item_id", "additional_image_urls").rows() == [
        (str(n), text or None) for n, text in enumerate(joined) if len(text.encode()) < 100_000
    ]
    too_long = [n for n, text in enumerate(joined, 1) if len(text.encode()) >= 100_000]
    assert batch.rejected.select("row", "reason").rows() == [(n, "field_too_large") for n in too_long]


def test_names_with_dots_are_columns_like_any_other() -> None:
    table = pa.table({"Art.-Nr.": ["a"], "id.old": [["b"]], "title": ["Schuh"]})
    rows = read("parquet", parquet(table), {"Art.-Nr.": "id"}).rows
    assert rows.select("item_id", "title").rows() == [("a", "Schuh")]


def repeated(text: str, num: int) -> pa.Array:
    """The text so many times, of which the file holds one."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * num, pa.int32()), pa.array([text]))


def titles() -> pa.Array:
    return repeated("x" * 10_000_000, NUM_ROWS)


def images() -> pa.Array:
    starts = pa.array(range(0, 50 * (NUM_ROWS + 1), 50), pa.int32())
    return pa.ListArray.from_arrays(starts, repeated("http://" + "x" * 5_000, 50 * NUM_ROWS))


def images_after_a_thousand_without() -> pa.Array:
    starts = pa.array([0] * 1_000 + images().offsets.to_pylist()[: NUM_ROWS - 999], pa.int32())
    return pa.ListArray.from_arrays(starts, images().values)


@pytest.fixture
def pool() -> Iterator[Any]:
    """Arrow's memory pool, with its allocations counted."""
    usual = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counting)
    yield counting
    pa.set_memory_pool(usual)


@pytest.mark.parametrize(
    ("column", "made"),
    [
        ("title", titles),
        ("additional_image_link", images),
        ("additional_image_link", images_after_a_thousand_without),
    ],
)
def test_a_dictionary_for_gigabytes_of_text_rejects_its_rows_in_modest_memory(
    column: str, made: Callable[[], pa.Array], pool: Any
) -> None:
    table = pa.table({"id": [str(n) for n in range(NUM_ROWS)], column: made()})
    content = parquet(table, compression="zstd", dictionary_pagesize_limit=20_000_000)
    del table
    assert len(content) < 2_000_000
    before = pool.max_memory()
    batch = read("parquet", content)
    assert pool.max_memory() - before < 300_000_000
    assert batch.rows.height + batch.rejected.height == NUM_ROWS
    assert batch.rejected.height >= NUM_ROWS - 1_000
    assert set(batch.rejected["reason"]) == {"field_too_large"}


def test_large_texts_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_batches, "MAX_MODEST_GROUP_BYTES", 5_120_000)
    monkeypatch.setattr(parquet_batches, "CAREFUL_BATCH_BYTES", 640_000)
    table = pa.table({"id": [str(n) for n in range(60)], "title": ["x" * 100_000] * 60})
    rows = ParquetRows(io.BytesIO(parquet(table, compression="none", use_dictionary=False)), ["id", "title"])
    assert max(batch.num_rows for batch in rows.batches()) <= 6


def test_pages_that_unpack_to_hundreds_of_times_their_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 1_000_000)
    table = pa.table({"id": [str(n) for n in range(40)], "title": ["x" * 1_000_000] * 40})
    content = parquet(table, compression="zstd", use_dictionary=False)
    with pytest.raises(FeedError, match=r"feed\.x: unpacks to more than 500 times its size"):
        read("parquet", content)
