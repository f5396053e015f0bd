"""Fast reading of delimited text: clean lines by the block, and only the others by the plain reader.

`catalog.feeds.delimited` is the plain twin, which gives the same rows for any bytes.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

import numpy as np
import polars as pl

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.delimited import Header, records_of
from catalog.feeds.delimited_lines import Lines
from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    FEED_SCHEMA,
    MAX_BATCH_ROWS,
    MAX_ROW_BYTES,
    REJECTED_ROWS_SCHEMA,
    REPEATED,
    FeedBatch,
    FeedError,
    ReadOptions,
)
from catalog.feeds.layouts import HEAD_BYTES, detect_layout
from catalog.feeds.presets.recognition import merged_batches
from catalog.feeds.quoting import Quotes
from catalog.feeds.transcoding import as_utf8
from catalog.storage.cores import num_cores

BLOCK_BYTES = 1 << 24


def read_text(source: BinaryIO, name: str, options: ReadOptions, default_delimiter: str) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of delimited text in any encoding, as `read_delimited` would, in constant memory.

    Blocks are parsed in threads, a few ahead of the one that is yielded.

    Args:
        default_delimiter: The delimiter of the file's suffix, which wins where others are as likely.

    Raises:
        FeedError: The file is empty, has no column of ids, is of another format, or is cut off.
    """
    blocks = whole_lines(cast(BinaryIO, _UnixLines(as_utf8(source, name, options))))
    first = next(blocks, b"")
    while len(first) < HEAD_BYTES and (block := next(blocks, b"")):
        first += block
    layout = detect_layout(first, name, options, default_delimiter)
    header = Header(layout, name, options)
    pieces = whole_records(itertools.chain([first[layout.start :]], blocks), header.quotes)
    if header.preset is not None and header.preset.merged is not None:
        builder = BatchBuilder(name)
        records = (record for block, spans in pieces for record in records_of(block, spans))
        yield from merged_batches(header.preset, header.rows(builder, records), builder, options)
        return
    reader = TextReader(name, header)
    num_rows = 0
    for batch in _in_threads(reader.batch, pieces):
        yield from _numbered(batch, num_rows)
        num_rows += batch.rows.height + batch.rejected.height
    if not num_rows:
        raise FeedError(f"{name}: no product in it; deliver the file again, with its rows")


Piece = tuple[bytes, Sequence[tuple[int, int]]]  # whole records, and the bounds of those that take several lines


def whole_records(blocks: Iterator[bytes], quotes: Quotes) -> Iterator[Piece]:
    """Yield blocks of whole lines as blocks of whole records."""
    rest = b""
    for block in blocks:
        joined = rest + block if rest else block
        spans, end = quotes.records_over_lines(joined, is_last=False)
        rest = joined[end:]
        yield (joined[:end] if rest else joined), spans
    if rest:
        yield rest, quotes.records_over_lines(rest, is_last=True)[0]


class _UnixLines:
    """A stream of text whose lines end with a line feed, also where those of the file end with a carriage return."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._has_returns: bool | None = None

    def read(self, size: int) -> bytes:
        block = self._source.read(size)
        if self._has_returns is None and (b"\r" in block or b"\n" in block):
            if block.endswith(b"\r"):
                block += self._source.read(1)
            self._has_returns = b"\n" not in block
        return block.replace(b"\r", b"\n") if self._has_returns else block


def _in_threads(parse: Callable[[Piece], FeedBatch], pieces: Iterator[Piece]) -> Iterator[FeedBatch]:
    """Yields the batch of each block, in their order."""
    num_threads = num_cores()
    waiting: deque[Future[FeedBatch]] = deque()
    with ThreadPoolExecutor(num_threads, thread_name_prefix="text") as threads:
        for piece in pieces:
            waiting.append(threads.submit(parse, piece))
            if len(waiting) > num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _numbered(batch: FeedBatch, num_before: int) -> Iterator[FeedBatch]:
    """Yields batches of at most `MAX_BATCH_ROWS` rows, counted on from those before."""
    good, bad = (frame.with_columns(pl.col("row") + num_before) for frame in (batch.rows, batch.rejected))
    end = num_before + good.height + bad.height
    for first in range(num_before + 1, end + 1, MAX_BATCH_ROWS):
        last = min(first + MAX_BATCH_ROWS - 1, end)
        yield FeedBatch(_between(good, first, last), _between(bad, first, last))


def whole_lines(source: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield blocks of whole lines, the last maybe without a line end; of a line over `MAX_ROW_BYTES` only the start."""
    rest = bytearray()
    is_cut = False  # the line that starts in `rest` is too long, and the rest of it is skipped
    while chunk := source.read(block_bytes):
        end = chunk.rfind(b"\n") + 1
        if is_cut:
            start = chunk.find(b"\n")
            if start < 0:
                continue
            yield bytes(rest) + b"\n"
            rest, is_cut = bytearray(chunk[max(end, start + 1) :]), False
            if end > start + 1:
                yield chunk[start + 1 : end]
        elif end:
            yield b"".join([rest, memoryview(chunk)[:end]])
            rest = bytearray(chunk[end:])
        else:
            rest += chunk
        if len(rest) > MAX_ROW_BYTES:
            del rest[MAX_ROW_BYTES + 2 :]
            is_cut = True
    if rest:
        yield bytes(rest)


class TextReader:
    """Reads blocks of records under the header of one feed."""

    def __init__(self, name: str, header: Header) -> None:
        self._name, self._header = name, header
        self._dialect = header.layout.dialect
        self._columns = {ATTRIBUTES[attribute]: columns for attribute, columns in header.columns.items()}
        self._schema = {f"column_{number}": pl.String() for number in range(1, len(header.layout.headers) + 1)}

    def batch(self, piece: Piece) -> FeedBatch:
        """Return the rows of a block of whole records, counted from 1."""
        block, spans = piece
        lines = Lines.of(block, self._header.layout, spans)
        rows = np.arange(1, 1 + len(lines.starts))
        clean = self._clean_rows(block, lines).with_columns(row=pl.Series(rows[lines.is_clean], dtype=pl.Int64))
        good = clean.select(FEED_SCHEMA.names())
        if lines.is_clean.all():
            return FeedBatch(good, REJECTED_ROWS_SCHEMA.to_frame())
        plain = self._plain_rows(block, lines)
        actual = pl.Series(rows[~lines.is_clean], dtype=pl.Int64)
        bad = plain.rejected.with_columns(row=actual.gather(plain.rejected["row"] - 1))
        others = plain.rows.with_columns(row=actual.gather(plain.rows["row"] - 1))
        return FeedBatch(pl.concat([good, others]).sort("row"), bad, num_repaired=plain.num_repaired)

    def _clean_rows(self, block: bytes, lines: Lines) -> pl.DataFrame:
        """Returns the attributes of the clean lines."""
        if not lines.is_clean.any():
            return FEED_SCHEMA.to_frame()
        names = [f"column_{position + 1}" for columns in self._columns.values() for position in columns]
        table = pl.read_csv(
            lines.clean(block),
            separator=self._dialect.delimiter.decode(),
            quote_char=None,
            has_header=False,
            columns=names,
            schema=self._schema,
        )
        stripped = table.select(pl.col(name).str.strip_chars() for name in names)
        texts = stripped.select(_text_of(own, columns) for own, columns in self._columns.items())
        return texts.with_columns(pl.lit(None, pl.String).alias(c) for c in COLUMNS if c not in texts.columns)

    def _plain_rows(self, block: bytes, lines: Lines) -> FeedBatch:
        """Returns the other lines as the plain reader reads them, counted among themselves."""
        builder = BatchBuilder(self._name)
        for record in lines.others(block):
            self._header.add(builder, record)
        return builder.batch()


def _text_of(own: str, columns: Sequence[int]) -> pl.Expr:
    """Returns an attribute's text, null where it is empty; of several columns as the plain reader takes them."""
    texts = [pl.col(f"column_{position + 1}") for position in columns]
    found = [pl.when(text != "").then(text) for text in texts]
    if len(found) == 1:
        return found[0].alias(own)
    if own != ATTRIBUTES[REPEATED]:
        return pl.coalesce(found).alias(own)
    joined = pl.concat_str(found, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(joined).alias(own)


def _between(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Returns the rows `first` to `last` of a frame that is sorted by row."""
    start, end = frame["row"].search_sorted(first), frame["row"].search_sorted(last, side="right")
    return frame[start:end]
