"""Layouts of delimited text, detected by its start: the delimiter, the lines before the header, and the header."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from catalog.feeds.dialects import DELIMITERS
from catalog.feeds.feed import FeedError, ReadOptions
from catalog.feeds.presets.recognition import num_known_names
from catalog.feeds.quoting import Dialect, Quotes

HEAD_BYTES = 1 << 18
MAX_HEADER_BYTES = 100_000
MAX_PREAMBLE_RECORDS = 30  # titles and comments before the header
_NUM_COUNTED = 50  # records by which field counts are compared
_SEP_LINE = re.compile(rb'\A(?:\xef\xbb\xbf)?\s*"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)
_ESCAPED = re.compile(rb'\\"(?! *(?:[,;|^~\t\r\n]|\Z))')
_DOUBLED = re.compile(rb'[^",;|^~\t\r\n\\]""|""[^",;|^~\t\r\n]')


@dataclass(frozen=True)
class Layout:
    """The layout of a feed of delimited text.

    `headers` are the column names, `header` is the record with them, and the rows start at byte `start`.
    """

    dialect: Dialect
    headers: tuple[str, ...]
    header: bytes
    start: int
    num_skipped: int = 0  # records before the header

    @property
    def num_columns(self) -> int:
        """The number of columns up to the last that has a name: a row has these at least."""
        return max((number for number, header in enumerate(self.headers, 1) if header.strip()), default=0)


def detect_layout(head: bytes, name: str, options: ReadOptions, default: str) -> Layout:
    """Return the layout of a feed by its first bytes, whole lines.

    A header is the first record, among a few, with the name of a column for the id. The delimiter is the one by which
    the header has most of the known columns; where none has an id, that by which most rows are of one width.

    Args:
        default: The delimiter of the file's suffix, which wins where others are as good.

    Raises:
        FeedError: The file is empty, or is of another format.
    """
    start = 0
    delimiter = options.delimiter or options.detected("delimiter") or ""
    if separated := _SEP_LINE.match(head):
        start = separated.end()
        delimiter = delimiter or separated[1].decode("latin-1")
    elif head.startswith(codecs.BOM_UTF8):
        start = len(codecs.BOM_UTF8)
    if not head[start:].strip(b"\r\n"):
        raise FeedError(f"{name}: the file is empty; deliver it again, with a header and a row per product")
    escapes = _escapes(head)
    candidates = [delimiter] if delimiter in DELIMITERS else _candidates(head[start:], default)
    found = [_scored(head, start, Dialect(each.encode(), escapes), options, default) for each in candidates]
    layout = max(found, key=lambda each: each[0])[1]
    _refuse_other_formats(layout, name)
    options.note("delimiter", layout.dialect.delimiter.decode())
    if layout.num_skipped:
        options.note("lines before the header", str(layout.num_skipped))
    return layout


def records(block: bytes, start: int, dialect: Dialect) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each record of whole lines that is not blank."""
    spans = dict(Quotes(dialect).records_over_lines(block[start:], is_last=True)[0])
    position = start
    while position < len(block):
        end = block.find(b"\n", position)
        end = len(block) if end < 0 else end
        if position - start in spans:
            end = start + spans[position - start]
        if block[position:end].strip(b"\r"):
            yield position, end
        position = end + 1


def _escapes(head: bytes) -> bool:
    """Returns whether quotes within quotes are escaped by backslashes."""
    return _ESCAPED.search(head) is not None and _DOUBLED.search(head) is None


def _candidates(head: bytes, default: str) -> list[str]:
    first = head[:MAX_HEADER_BYTES]
    return [default, *(each for each in DELIMITERS if each != default and each.encode() in first)]


def _scored(
    head: bytes, start: int, dialect: Dialect, options: ReadOptions, default: str
) -> tuple[tuple[int, float, int, bool], Layout]:
    """Returns the layout by a delimiter, with its merits."""
    bounds: list[tuple[int, int]] = []
    for each in records(head[: start + HEAD_BYTES], start, dialect):
        bounds.append(each)
        if len(bounds) == _NUM_COUNTED:
            break
    rows = [dialect.split(head[first:end].removesuffix(b"\r")) for first, end in bounds]
    num_known, position = max(
        ((_num_known(row, options), -number) for number, row in enumerate(rows[:MAX_PREAMBLE_RECORDS])),
        default=(0, 0),
    )
    widths = Counter(len(row) for row in rows)
    width, number = max(widths.items(), key=lambda each: (each[1] * (each[0] > 1), each[0]))
    if not num_known:
        position = -next((n for n, row in enumerate(rows[:MAX_PREAMBLE_RECORDS]) if len(row) >= width), 0)
    first, end = bounds[-position]
    header = head[first:end].removesuffix(b"\r")
    names = _names(rows[-position])
    if all(not any(row[len(names) :]) for row in rows if len(row) == width):  # rows that end with a delimiter
        names += ("",) * (width - len(names))
    layout = Layout(dialect, names, header, end + 1, -position)
    share = number / len(rows) if width > 1 else 0.0
    return (num_known, share, width, dialect.delimiter.decode() == default), layout


def _names(row: list[bytes]) -> tuple[str, ...]:
    return tuple(field.decode("utf-8", errors="replace") for field in row)


def _num_known(row: list[bytes], options: ReadOptions) -> int:
    """Returns the number of attributes in a header; 0 for a record without the id, which is none."""
    if sum(map(len, row)) > MAX_HEADER_BYTES:
        return 0
    return num_known_names(_names(row), options)


def _refuse_other_formats(layout: Layout, name: str) -> None:
    if len(layout.header) > MAX_HEADER_BYTES or b"\0" in layout.header:
        raise FeedError(
            f"{name}: does not start with a header of {layout.dialect.description}; check the file's format"
        )
