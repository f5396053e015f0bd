"""Slicing: a feed's rows by range, read where they lie, so that a big file becomes several deliveries and no copy."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from catalog.feed_slice import Slice
from catalog.feeds import FEED_READERS
from catalog.feeds.feed import NO_NAMES, FeedBatch, FeedError
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.record_starts import record_starts
from catalog.feeds.tabular import read_parquet, refusals
from catalog.feeds.xml_cuts import xml_cuts

_SKIP_BYTES = 1 << 22


@dataclass(frozen=True)
class _Text:
    """How rows stand in a format of lines."""

    has_header: bool
    has_multiline_fields: bool = False


_TEXTS = {
    "google_tsv": _Text(has_header=True),
    "csv": _Text(has_header=True, has_multiline_fields=True),
    "json_lines": _Text(has_header=False),
}


def slices(source: BinaryIO, name: str, feed_format: str, max_rows: int) -> list[Slice]:
    """The slices of at most `max_rows` rows that a feed makes, one for a feed that fits.

    Text is read once, in constant memory; of Parquet only the footer is, from a source that can be sought.
    Raises `FeedError` for a feed that is refused whole: broken, or without a row.
    """
    if max_rows < 1:
        raise ValueError(f"{max_rows} rows a delivery are not possible; allow 1 at least")
    if feed_format == "parquet":
        made = _parquet_slices(source, name, max_rows)
    elif feed_format == "google_xml":
        made = _xml_slices(source, name, max_rows)
    elif feed_format in _TEXTS:
        made = _text_slices(source, name, _TEXTS[feed_format], max_rows)
    else:
        known = ", ".join([*_TEXTS, "google_xml", "parquet"])
        raise ValueError(f"feeds of the format {feed_format!r} cannot be sliced; those that can are {known}")
    if not made:
        raise FeedError(f"{name}: the file is empty, no product in it; deliver it again, with its rows")
    return made


def read_slice(
    source: BinaryIO, name: str, feed_format: str, part: Slice, names: Mapping[str, str] = NO_NAMES
) -> Iterator[FeedBatch]:
    """Reads a slice as the format's reader reads the whole feed; rows are counted from the feed's first.

    Raises `FeedError` as the reader does, and where there are not as many rows as the slice has.
    """
    if feed_format == "parquet":
        batches = read_parquet(source, name, names, first_row=part.first_row, num_rows=part.num_rows)
    elif feed_format == "json_lines":
        batches = read_json_lines(content_of(source, part), name, names, is_start=part.first_row == 1)
    else:
        batches = FEED_READERS[feed_format](content_of(source, part), name, names)
    shifted = pl.col("row") + (part.first_row - 1)
    num_rows = 0
    for batch in batches:
        num_rows += batch.rows.height + batch.rejected.height
        yield FeedBatch(batch.rows.with_columns(shifted), batch.rejected.with_columns(shifted))
    if part.num_rows not in (None, num_rows):
        raise FeedError(
            f"{name}: {num_rows:,} rows from row {part.first_row:,} on where {part.num_rows:,} were counted; "
            "deliver the file again"
        )


def content_of(source: BinaryIO, part: Slice) -> BinaryIO:
    """The slice of a text feed as a file of its own; `source` is the whole feed's content, at its start."""
    if not part.byte_start and part.byte_end is None:
        return source
    head = b""
    while len(head) < part.num_head_bytes and (block := source.read(part.num_head_bytes - len(head))):
        head += block
    head += _encoded(part.opening, part.encoding)
    _skip(source, part.byte_start - part.num_head_bytes)
    num_bytes = None if part.byte_end is None else part.byte_end - part.byte_start
    return io.BufferedReader(_Range(head, source, num_bytes, _encoded(part.closing, part.encoding)), _SKIP_BYTES)


class _Range(io.RawIOBase):
    """Some bytes, then the next `num_bytes` of a source (None: all), then some more bytes."""

    def __init__(self, head: bytes, source: BinaryIO, num_bytes: int | None, tail: bytes) -> None:
        self._head, self._source, self._num_bytes, self._tail = head, source, num_bytes, tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._next(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def _next(self, size: int) -> bytes:
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        wanted = size if self._num_bytes is None else min(size, self._num_bytes)
        if wanted and (block := self._source.read(wanted)):
            self._num_bytes = None if self._num_bytes is None else self._num_bytes - len(block)
            return block
        block, self._tail = self._tail[:size], self._tail[size:]
        return block


def _encoded(tags: str, encoding: str) -> bytes:
    return tags.encode(encoding, "xmlcharrefreplace")


def _skip(source: BinaryIO, num_bytes: int) -> None:
    """Moves on by so many bytes, by reading where the source cannot be sought; a source that ends first is no error."""
    if source.seekable():
        source.seek(num_bytes, io.SEEK_CUR)
        return
    while num_bytes and (block := source.read(min(num_bytes, _SKIP_BYTES))):
        num_bytes -= len(block)


def _text_slices(source: BinaryIO, name: str, text: _Text, max_rows: int) -> list[Slice]:
    starts: list[int] = []
    num_rows = -1 if text.has_header else 0
    for offsets in record_starts(source, name, has_multiline_fields=text.has_multiline_fields):
        row = np.arange(num_rows, num_rows + len(offsets))
        starts += offsets[(row >= 0) & (row % max_rows == 0)].tolist()
        num_rows += len(offsets)
    if num_rows < 1:
        return []
    num_head_bytes = starts[0] if text.has_header else 0
    return [
        Slice(
            number=number,
            num_slices=len(starts),
            first_row=(number - 1) * max_rows + 1,
            num_rows=min(max_rows, num_rows - (number - 1) * max_rows),
            byte_start=start if number > 1 else 0,
            byte_end=end,
            num_head_bytes=num_head_bytes if number > 1 else 0,
        )
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True), 1)
    ]


def _xml_slices(source: BinaryIO, name: str, max_rows: int) -> list[Slice]:
    document = xml_cuts(source, name, max_rows)
    if not document.num_products:
        return []
    is_wide = document.encoding.startswith("utf-16-")
    declaration = f'<?xml version="1.0" encoding="{"utf-16" if is_wide else document.encoding}"?>'
    prologue = ("\ufeff" if is_wide else "") + declaration
    cuts = document.cuts
    return [
        Slice(
            number=number,
            num_slices=len(cuts) + 1,
            first_row=(number - 1) * max_rows + 1,
            num_rows=min(max_rows, document.num_products - (number - 1) * max_rows),
            byte_start=before.offset if before else 0,
            byte_end=after.offset if after else None,
            opening=prologue + before.opening if before else "",
            closing=after.closing if after else "",
            encoding=document.encoding,
        )
        for number, (before, after) in enumerate(zip([None, *cuts], [*cuts, None], strict=True), 1)
    ]


def _parquet_slices(source: BinaryIO, name: str, max_rows: int) -> list[Slice]:
    with refusals(name):
        num_rows = cast(int, pq.read_metadata(source).num_rows)
    firsts = range(1, num_rows + 1, max_rows)
    return [
        Slice(
            number=number,
            num_slices=len(firsts),
            first_row=first,
            num_rows=min(max_rows, num_rows + 1 - first),
        )
        for number, first in enumerate(firsts, 1)
    ]
