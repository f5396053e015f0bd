"""Fast reading of delimited text gives the same rows as the plain reader for any bytes."""

import io

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.feeds import fast_delimited
from catalog.feeds.delimited import read_delimited
from catalog.feeds.fast_delimited import read_text, whole_lines
from catalog.feeds.feed import FEED_SCHEMA, REJECTED_ROWS_SCHEMA, FeedBatch, FeedError, ReadOptions

HEADERS = [b"id\ttitle\timage_link", b"id", b"shelf\tid\tg:title\tprice", b"\xef\xbb\xbfid\ttitle", b'"id"\tTitle']
WHITE = [b"\t", b"\t\t", b"\n", b"\r\n", b"\r", b" "]
PIECES = st.sampled_from([b"a", b"bc", *WHITE, b'"', b'""', b"\0", b"\xff", b"\xc3\xa9", b"\xc3", b"\xe2\x82\xac"])
LINES = st.lists(PIECES, max_size=40).map(b"".join)
UTF_8 = ReadOptions(encoding="utf-8")  # the plain reader decodes nothing
GOOD = b"1\tShoe\thttp://a\n"


def outcome(read: object, content: bytes, delimiter: str) -> tuple[pl.DataFrame, pl.DataFrame] | str:
    """The rows and the rejected rows of a feed, or the error that refuses it."""
    try:
        batches: list[FeedBatch] = list(read(io.BytesIO(content), "feed.x", UTF_8, delimiter))  # type: ignore[operator]
    except FeedError as error:
        return str(error)
    rows = pl.concat([FEED_SCHEMA.to_frame(), *(batch.rows for batch in batches)])
    return rows, pl.concat([REJECTED_ROWS_SCHEMA.to_frame(), *(batch.rejected for batch in batches)])


def assert_twins(content: bytes, delimiter: str = "\t") -> None:
    fast, plain = outcome(read_text, content, delimiter), outcome(read_delimited, content, delimiter)
    if isinstance(plain, str) or isinstance(fast, str):
        assert fast == plain
        return
    assert fast[0].equals(plain[0])
    assert fast[1].equals(plain[1])


@given(header=st.sampled_from(HEADERS), lines=LINES, block_bytes=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
@example(header=HEADERS[0], lines=GOOD * 3 + b"\xff\t\t\n" + GOOD, block_bytes=7)
@example(header=HEADERS[1], lines=b"a\n\na\n", block_bytes=1000)
@example(header=HEADERS[0], lines=b"\n\r\n" + GOOD + b'2\t24" TV\t\n' + GOOD, block_bytes=1000)
def test_both_readers_give_the_same_for_any_bytes_in_any_blocks(header: bytes, lines: bytes, block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_delimited.whole_lines, "__defaults__", (block_bytes,))
        assert_twins(header + b"\n" + lines)


@given(content=st.binary(max_size=200), block_bytes=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_any_bytes_at_all_are_read_or_refused_alike(content: bytes, block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_delimited.whole_lines, "__defaults__", (block_bytes,))
        assert_twins(content)


@pytest.mark.parametrize("size", [99_999, 100_000, 100_001, 3_999_990, 4_000_000, 4_100_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_fields_and_rows_at_their_limits_are_read_alike(size: int, end: bytes) -> None:
    for line in (b"1\t" + b"x" * size + b"\t", b"1\tShoe\t" + b"x" * (size - 7)):
        assert_twins(HEADERS[0] + b"\n" + GOOD + line + end + (GOOD if end else b""))


def test_a_line_of_any_length_is_never_in_memory_whole() -> None:
    long = b"x" * 12_000_000
    lines = list(whole_lines(io.BytesIO(b"a\n" + long + b"\nb\nc"), 1 << 20))
    assert b"".join(lines)[-4:] == b"\nb\nc"
    assert max(map(len, lines)) < 6_000_000


@given(content=st.lists(st.sampled_from([b"a", b"\n", b"bb"])).map(b"".join), block_bytes=st.integers(1, 9))
def test_lines_are_cut_nowhere_but_at_their_ends(content: bytes, block_bytes: int) -> None:
    blocks = list(whole_lines(io.BytesIO(content), block_bytes))
    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])
