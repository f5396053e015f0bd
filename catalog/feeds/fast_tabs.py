"""Fast reading of tab-separated text: clean lines by the block, and only the others by the plain reader.

`catalog.feeds.delimited` is the plain twin, which gives the same rows for any bytes.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.delimited import Dialect, Header, Record, add_record, headers_of, preset_rows
from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    FEED_SCHEMA,
    MAX_BATCH_ROWS,
    MAX_FIELD_BYTES,
    MAX_ROW_BYTES,
    REJECTED_ROWS_SCHEMA,
    FeedBatch,
    FeedError,
    ReadOptions,
    attribute_positions,
)
from catalog.feeds.presets.recognition import merged_batches, preset_columns, preset_of
from catalog.storage.cores import num_cores

BLOCK_BYTES = 1 << 24

_LINES_PER_CHECK = 64


def read_tabs(source: BinaryIO, name: str, options: ReadOptions, dialect: Dialect) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of tab-separated lines, as `read_delimited` would, in constant memory.

    Blocks are parsed in threads, a few ahead of the one that is yielded.
    """
    blocks = whole_lines(source)
    header, rest = next((found for block in blocks if (found := _first_line(block))[0] is not None), (None, b""))
    headers = headers_of(None if header is None else Record(header), name, dialect)
    preset = preset_of(headers, options, name)
    if preset is not None and preset.merged is not None:
        builder = BatchBuilder(name)
        lines = (Record(line) for block in itertools.chain([rest], blocks) for line in _text_lines(block))
        rows = preset_rows(lines, headers, dialect, builder)
        yield from merged_batches(preset, rows, builder, options)
        return
    reader = TabReader(name, headers, preset_columns(preset, headers, options), dialect)
    num_rows = 0
    for batch in _in_threads(reader.batch, itertools.chain([rest], blocks)):
        yield from _numbered(batch, num_rows)
        num_rows += batch.rows.height + batch.rejected.height
    if not num_rows:
        raise FeedError(f"{name}: no product in it; deliver the file again, with its rows")


def _in_threads(parse: Callable[[bytes], FeedBatch], blocks: Iterator[bytes]) -> Iterator[FeedBatch]:
    """Yields the batch of each block, in their order."""
    num_threads = num_cores()
    waiting: deque[Future[FeedBatch]] = deque()
    with ThreadPoolExecutor(num_threads, thread_name_prefix="tabs") as threads:
        for block in blocks:
            waiting.append(threads.submit(parse, block))
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


def _first_line(block: bytes) -> tuple[bytes | None, bytes]:
    """Returns the first line that is not blank, and the bytes after it; None where there is none."""
    while block:
        line, _, block = block.partition(b"\n")
        if line := line.removesuffix(b"\r"):
            return line, block
    return None, b""


def _text_lines(block: bytes) -> Iterator[bytes]:
    """Yields the lines of a block that are not blank."""
    return (text for line in block.split(b"\n") if (text := line.removesuffix(b"\r")))


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


class TabReader:
    """Reads blocks of lines under the header of one feed."""

    def __init__(self, name: str, headers: Sequence[str], names: Mapping[str, str], dialect: Dialect) -> None:
        positions = attribute_positions(headers, name, names)
        self._name, self._dialect = name, dialect
        self._header = Header(len(headers), [positions.get(attribute) for attribute in ATTRIBUTES])
        self._columns = {f"column_{position + 1}": ATTRIBUTES[attribute] for attribute, position in positions.items()}
        self._schema = {f"column_{number}": pl.String() for number in range(1, len(headers) + 1)}

    def batch(self, block: bytes) -> FeedBatch:
        """Return the rows of a block of whole lines, counted from 1."""
        lines = _Lines.of(block, len(self._schema))
        rows = np.arange(1, 1 + len(lines.starts))
        clean = self._clean_rows(block, lines).with_columns(row=pl.Series(rows[lines.is_clean], dtype=pl.Int64))
        good = clean.select(FEED_SCHEMA.names())
        if lines.is_clean.all():
            return FeedBatch(good, REJECTED_ROWS_SCHEMA.to_frame())
        plain = self._plain_rows(block, lines)
        actual = pl.Series(rows[~lines.is_clean], dtype=pl.Int64)
        bad = plain.rejected.with_columns(row=actual.gather(plain.rejected["row"] - 1))
        others = plain.rows.with_columns(row=actual.gather(plain.rows["row"] - 1))
        return FeedBatch(pl.concat([good, others]).sort("row"), bad)

    def _clean_rows(self, block: bytes, lines: _Lines) -> pl.DataFrame:
        """Returns the attributes of the clean lines."""
        if not lines.is_clean.any():
            return FEED_SCHEMA.to_frame()
        table = pl.read_csv(
            lines.clean(block),
            separator="\t",
            quote_char=None,
            has_header=False,
            columns=list(self._columns),
            schema=self._schema,
        )
        stripped = table.select(pl.col(name).str.strip_chars().alias(own) for name, own in self._columns.items())
        texts = stripped.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)) for c in stripped.columns)
        return texts.with_columns(pl.lit(None, pl.String).alias(c) for c in COLUMNS if c not in texts.columns)

    def _plain_rows(self, block: bytes, lines: _Lines) -> FeedBatch:
        """Returns the other lines as the plain reader reads them, counted among themselves."""
        builder = BatchBuilder(self._name)
        for record in lines.others(block):
            add_record(builder, record, self._dialect, self._header)
        return builder.batch()


def _between(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Returns the rows `first` to `last` of a frame that is sorted by row."""
    start, end = frame["row"].search_sorted(first), frame["row"].search_sorted(last, side="right")
    return frame[start:end]


@dataclass(frozen=True)
class _Lines:
    """The lines of a block that are not blank, (n,) each; a carriage return is after `ends` and before `line_ends`."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    line_ends: NDArray[np.int64]
    is_clean: NDArray[np.bool_]  # nothing in it needs the plain reader
    clean_runs: Sequence[tuple[int, int]]  # start and end of runs of clean lines

    @classmethod
    def of(cls, block: bytes, num_columns: int) -> _Lines:
        """Find the lines of a block with that number of columns."""
        content = np.frombuffer(block, np.uint8)
        marks = np.flatnonzero((content == ord("\n")) | (content == ord("\t")))
        line_ends = _with_last(marks[content[marks] == ord("\n")], len(block))
        starts = np.concatenate([np.zeros(min(1, len(line_ends)), np.int64), line_ends[:-1] + 1])
        # Between two line ends all marks are tabs.
        num_tabs = np.diff(np.searchsorted(marks, line_ends), prepend=-1) - 1
        has_return = (line_ends > starts) & (content[np.maximum(line_ends - 1, 0)] == ord("\r"))
        ends = line_ends - has_return
        is_clean = (ends - starts <= MAX_FIELD_BYTES) & (num_tabs == num_columns - 1)
        for unclean in (b'"', b"\0"):
            if unclean in block:
                positions = np.flatnonzero(content == ord(unclean))
                is_clean[np.searchsorted(line_ends, positions)] = False
        is_clean[_not_utf8(block, starts, line_ends)] = False
        is_line = ends > starts
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_clean & is_line, [False]]).astype(np.int8)))
        runs = [(int(starts[first]), int(ends[last - 1])) for first, last in edges.reshape(-1, 2)]
        return cls(starts[is_line], ends[is_line], line_ends[is_line], is_clean[is_line], runs)

    def clean(self, block: bytes) -> bytes:
        """Return the clean lines, copied run by run."""
        return b"\n".join(block[start:end] for start, end in self.clean_runs) + b"\n"

    def others(self, block: bytes) -> Iterator[Record]:
        """Yield the other lines, as the plain reader has them."""
        bounds = [each[~self.is_clean].tolist() for each in (self.starts, self.ends, self.line_ends)]
        for start, end, line_end in zip(*bounds, strict=True):
            yield Record(block[start:end], line_end - start <= MAX_ROW_BYTES)


def _with_last(newlines: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Returns the ends of lines; the last line ends with the block where it has no line end."""
    is_ended = not size or (len(newlines) > 0 and newlines[-1] == size - 1)
    return newlines if is_ended else np.append(newlines, size)


def _not_utf8(block: bytes, starts: NDArray[np.int64], line_ends: NDArray[np.int64]) -> list[int]:
    """Returns the numbers of the lines that are not UTF-8, searched in groups, as most lines are."""
    if _is_text(pl.Series([block], dtype=pl.Binary)):
        return []
    bounds = [*starts[::_LINES_PER_CHECK].tolist(), len(block)]
    groups = pl.Series([block[a:b] for a, b in itertools.pairwise(bounds)], dtype=pl.Binary)
    firsts = [n * _LINES_PER_CHECK for n in range(len(groups)) if not _is_text(groups[n : n + 1])]
    wrong = []
    for first in firsts:
        line, last = first, min(first + _LINES_PER_CHECK, len(starts)) - 1
        while line <= last:
            at = _first_not_utf8(block[starts[line] : line_ends[last]])
            if at is None:
                break
            line = int(np.searchsorted(line_ends, starts[line] + at))
            wrong.append(line)
            line += 1
    return wrong


def _is_text(values: pl.Series) -> bool:
    """Returns whether all bytes are UTF-8, checked at gigabytes a second."""
    try:
        values.cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _first_not_utf8(lines: bytes) -> int | None:
    """Returns the position of the first bytes that are not UTF-8; no character spans two lines."""
    try:
        lines.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None
