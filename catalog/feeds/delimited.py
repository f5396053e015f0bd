"""Delimited text: a header, then a record per product; the dialect is that of tabs or of commas."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, MAX_ROW_BYTES, FeedBatch, FeedError, ReadOptions, attribute_positions
from catalog.feeds.presets.preset import plain_name
from catalog.feeds.presets.recognition import merged_batches, preset_columns, preset_of

_CHUNK_BYTES = 1 << 18
_MAX_HEADER_BYTES = 100_000


@dataclass(frozen=True)
class Dialect:
    """The way to split a line into fields; a quoted field may run over several lines, or may not."""

    description: str
    split: Callable[[bytes], list[bytes]]
    has_multiline_fields: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The number of columns, and the position of each of `ATTRIBUTES` among them, None where it is missing."""

    num_columns: int
    positions: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of a record without its line end; of one over `MAX_ROW_BYTES` only the start."""

    content: bytes
    is_whole: bool = True


def read_delimited(source: BinaryIO, name: str, options: ReadOptions, dialect: Dialect) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of delimited text, in constant memory; blank lines are skipped."""
    all_records = records(source, name, has_multiline_fields=dialect.has_multiline_fields)
    headers = headers_of(next(all_records, None), name, dialect)
    preset = preset_of(headers, options, name)
    builder = BatchBuilder(name)
    if preset is not None and preset.merged is not None:
        rows = preset_rows(all_records, headers, dialect, builder)
        yield from merged_batches(preset, rows, builder, options)
        return
    positions = attribute_positions(headers, name, preset_columns(preset, headers, options))
    header = Header(len(headers), [positions.get(attribute) for attribute in ATTRIBUTES])
    for record in all_records:
        add_record(builder, record, dialect, header)
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def preset_rows(
    all_records: Iterable[Record], headers: Sequence[str], dialect: Dialect, builder: BatchBuilder
) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a shop system's export, and reject records that are none."""
    names = [plain_name(header) for header in headers]
    for record in all_records:
        fields = _fields(builder, record, dialect, len(names))
        if fields is not None:
            texts = (field.decode("utf-8", "surrogateescape") for field in fields)
            yield {name: text for name, text in zip(names, texts, strict=True) if text}


def add_record(builder: BatchBuilder, record: Record, dialect: Dialect, header: Header) -> None:
    """Add a record to the batch, or reject it with a reason."""
    fields = _fields(builder, record, dialect, header.num_columns)
    if fields is not None:
        builder.add([None if position is None else fields[position] for position in header.positions])


def _fields(builder: BatchBuilder, record: Record, dialect: Dialect, num_columns: int) -> list[bytes] | None:
    """Returns the fields of a record; None, and rejects it, where it is too long or has another number of them."""
    if not record.is_whole:
        builder.reject(record.content, "field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
        return None
    fields = dialect.split(record.content)
    if len(fields) == num_columns:
        return fields
    detail = f"{len(fields)} fields where the header has {num_columns} ({dialect.description})"
    builder.reject(record.content, "wrong_field_count", detail)
    return None


def headers_of(record: Record | None, name: str, dialect: Dialect) -> list[str]:
    """Return the column names of the first record.

    Raises:
        FeedError: The file is empty, or of another encoding or format.
    """
    if record is None:
        raise FeedError(f"{name}: the file is empty; deliver it again, with a header and a row per product")
    content = record.content
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FeedError(f"{name}: the file is UTF-16; save it as UTF-8")
    if len(content) > _MAX_HEADER_BYTES or b"\0" in content:
        raise FeedError(f"{name}: does not start with a header of {dialect.description}; check the file's format")
    try:
        return [field.decode("utf-8") for field in dialect.split(content.removeprefix(codecs.BOM_UTF8))]
    except UnicodeDecodeError:
        raise FeedError(f"{name}: the header is not UTF-8; save the file as UTF-8, or check its format") from None


def records(source: BinaryIO, name: str, *, has_multiline_fields: bool) -> Iterator[Record]:
    """Yield the records that are not blank.

    Raises:
        FeedError: A quoted field is still open at the end.
    """
    content = bytearray()
    num_bytes = num_records = 0
    state = FieldState.BOUNDARY
    for piece, ends_line in _pieces(source):
        if num_bytes <= MAX_ROW_BYTES:  # the rest has no use, as the row is rejected
            content += piece
        num_bytes += len(piece)
        if has_multiline_fields:
            state = _state_after(piece, state)
        if not ends_line:
            continue
        if state is FieldState.QUOTED:
            if num_bytes <= MAX_ROW_BYTES:
                content += b"\n"
            num_bytes += 1
            continue
        if record := bytes(content.removesuffix(b"\r")):
            num_records += 1
            yield Record(record, num_bytes <= MAX_ROW_BYTES)
        content, num_bytes, state = bytearray(), 0, FieldState.BOUNDARY
    if state is FieldState.QUOTED:
        raise FeedError(f"{name}: the quote that row {num_records} opens is never closed; close it and deliver again")


def _pieces(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yields pieces of at most a chunk, and whether a line ends after the piece; the last line always does."""
    while chunk := source.read(_CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield line, True
        if rest:
            yield rest, False
    yield b"", True


class FieldState(Enum):
    """The state of a reader between two bytes of a comma-separated record."""

    BOUNDARY = auto()  # before a field, or after a quote in quoted text: a quote (re)opens the field
    PLAIN = auto()  # in a field's unquoted text: a quote is a character like any other
    QUOTED = auto()  # in quoted text: commas and line ends are characters like any other


_AFTER_BOUNDARY = {ord('"'): FieldState.QUOTED, ord(","): FieldState.BOUNDARY}


def _state_after(piece: bytes, state: FieldState) -> FieldState:
    """Returns the state after one more piece, wherever the pieces were cut."""
    # Most lines have no quote, and then only the last byte matters.
    if state is not FieldState.QUOTED and b'"' not in piece and not piece.endswith(b","):
        return FieldState.PLAIN if piece else state
    position = 0
    while position < len(piece):
        if state is FieldState.BOUNDARY:
            state = _AFTER_BOUNDARY.get(piece[position], FieldState.PLAIN)
        else:
            position = piece.find(b'"' if state is FieldState.QUOTED else b",", position)
            if position < 0:
                return state
            state = FieldState.BOUNDARY
        position += 1
    return state
