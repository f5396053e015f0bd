"""Lines of a block of delimited text, found by NumPy, and which of them a fast parser can read as they are."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.feeds.delimited import Record
from catalog.feeds.feed import MAX_FIELD_BYTES, MAX_ROW_BYTES
from catalog.feeds.layouts import Layout

_LINES_PER_CHECK = 64


@dataclass(frozen=True)
class Lines:
    """The lines of a block that are not blank, (n,) each; a carriage return is after `ends` and before `line_ends`."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    line_ends: NDArray[np.int64]
    is_clean: NDArray[np.bool_]  # nothing in it needs the plain reader
    clean_runs: Sequence[tuple[int, int]]  # start and end of runs of clean lines

    @classmethod
    def of(cls, block: bytes, layout: Layout, spans: Sequence[tuple[int, int]] = ()) -> Lines:
        """Find the lines of a block; each span is one line, whatever is in it."""
        content = np.frombuffer(block, np.uint8)
        marks = np.flatnonzero((content == ord("\n")) | (content == ord(layout.dialect.delimiter)))
        if spans:
            marks = marks[~_is_inner(marks, content[marks] == ord("\n"), spans)]
        line_ends = _with_last(marks[content[marks] == ord("\n")], len(block))
        starts = np.concatenate([np.zeros(min(1, len(line_ends)), np.int64), line_ends[:-1] + 1])
        # Between two line ends all marks are delimiters.
        end_marks = np.searchsorted(marks, line_ends)
        num_delimiters = np.diff(end_marks, prepend=-1) - 1
        has_return = (line_ends > starts) & (content[np.maximum(line_ends - 1, 0)] == ord("\r"))
        ends = line_ends - has_return
        is_clean = (ends - starts <= MAX_FIELD_BYTES) & (num_delimiters == len(layout.headers) - 1)
        num_unnamed = len(layout.headers) - layout.num_columns
        if num_unnamed and len(marks):  # after the last delimiters is nothing
            is_clean &= marks[np.maximum(end_marks - num_unnamed, 0)] == ends - num_unnamed
        for unclean in (b'"', b"\0"):
            if unclean in block:
                positions = np.flatnonzero(content == ord(unclean))
                is_clean[np.searchsorted(line_ends, positions)] = False
        is_clean[np.searchsorted(line_ends, _positions(block, layout.header))] = False
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


def _is_inner(
    marks: NDArray[np.int64], is_newline: NDArray[np.bool_], spans: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Returns which marks are line ends within a span."""
    starts, ends = np.asarray(spans, np.int64).T
    span = np.searchsorted(starts, marks, side="right") - 1
    is_within: NDArray[np.bool_] = (span >= 0) & (marks < ends[np.maximum(span, 0)])
    return np.logical_and(is_newline, is_within)


def _positions(block: bytes, header: bytes) -> list[int]:
    """Returns the positions of lines that are the header once more, maybe with a byte order mark."""
    found = [0] if block.startswith((header, codecs.BOM_UTF8 + header)) else []
    for line in (b"\n" + header, b"\n" + codecs.BOM_UTF8 + header):
        position = block.find(line)
        while position >= 0:
            found.append(position + 1)
            position = block.find(line, position + 1)
    return found


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
