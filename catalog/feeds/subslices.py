"""Subslices: the rows of a slice in several ranges, each a slice of the feed by itself, so that tasks can share it."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

import pyarrow.parquet as pq

from catalog.feed_slice import Slice
from catalog.feeds.slicing import content_of, slices
from catalog.feeds.tabular import refusals


def subslices(source: BinaryIO, name: str, feed_format: str, part: Slice, num_parts: int) -> list[Slice]:
    """At most `num_parts` slices of the feed that hold the rows of `part`, in order, each about as many.

    `source` is the feed's content; text is read once, without being parsed. Raises `FeedError` as `slices` does.
    """
    num_rows = part.num_rows
    if feed_format == "parquet":
        if num_rows is None:
            with refusals(name):
                num_rows = int(pq.read_metadata(source).num_rows) - (part.first_row - 1)
        return [
            replace(part, first_row=first, num_rows=num) for first, num in _even(part.first_row, num_rows, num_parts)
        ]
    max_rows = -(-num_rows // num_parts) if num_rows else None
    if not max_rows:
        return [part]
    return [_of_feed(part, each) for each in slices(content_of(source, part), name, feed_format, max_rows)]


def _even(first_row: int, num_rows: int, num_parts: int) -> list[tuple[int, int]]:
    size = max(1, -(-num_rows // num_parts))
    return [(first_row + start, min(size, num_rows - start)) for start in range(0, num_rows, size)]


def _of_feed(part: Slice, inner: Slice) -> Slice:
    """A slice of a slice's document, as a slice of the feed."""
    is_first, is_last = inner.number == 1, inner.number == inner.num_slices
    num_front_bytes = part.num_head_bytes + len(part.opening.encode(part.encoding, "xmlcharrefreplace"))
    shift = part.byte_start - num_front_bytes
    return Slice(
        number=part.number,
        num_slices=part.num_slices,
        first_row=part.first_row + inner.first_row - 1,
        num_rows=inner.num_rows,
        byte_start=part.byte_start if is_first else inner.byte_start + shift,
        byte_end=part.byte_end if is_last or inner.byte_end is None else inner.byte_end + shift,
        num_head_bytes=part.num_head_bytes if is_first else inner.num_head_bytes,
        opening=part.opening if is_first else inner.opening,
        closing=part.closing if is_last else inner.closing,
        encoding=part.encoding if is_first else inner.encoding,
    )
