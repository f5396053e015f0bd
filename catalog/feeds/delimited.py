"""Delimited text: a header, then a record a product; tabs and commas differ only in their dialect."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, MAX_ROW_BYTES, FeedBatch, FeedError, attribute_positions

_CHUNK_BYTES = 1 << 18
_MAX_HEADER_BYTES = 100_000


@dataclass(frozen=True)
class Dialect:
    """How a line becomes fields, and whether a quoted field may run over several lines."""

    words: str
    split: Callable[[bytes], list[bytes]]
    has_multiline_fields: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: how many columns there are, and where each of `ATTRIBUTES` stands, if anywhere."""

    num_columns: int
    places: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Record:
    """A record's bytes without its line end; of one over `MAX_ROW_BYTES` only the start."""

    content: bytes
    is_whole: bool = True


def read_delimited(source: BinaryIO, name: str, names: Mapping[str, str], dialect: Dialect) -> Iterator[FeedBatch]:
    """Reads a feed of delimited text in constant memory; blank lines count as nothing."""
    all_records = records(source, name, has_multiline_fields=dialect.has_multiline_fields)
    headers = headers_of(next(all_records, None), name, dialect)
    positions = attribute_positions(headers, name, names)
    header = Header(len(headers), [positions.get(attribute) for attribute in ATTRIBUTES])
    builder = BatchBuilder(name)
    for record in all_records:
        take_record(builder, record, dialect, header)
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def take_record(builder: BatchBuilder, record: Record, dialect: Dialect, header: Header) -> None:
    """Gives a record to the builder, or the reason why it is no product."""
    if not record.is_whole:
        builder.refuse(record.content, "field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
        return
    fields = dialect.split(record.content)
    if len(fields) == header.num_columns:
        builder.take([None if place is None else fields[place] for place in header.places])
    else:
        detail = f"{len(fields)} fields where the header has {header.num_columns} ({dialect.words})"
        builder.refuse(record.content, "wrong_field_count", detail)


def headers_of(record: Record | None, name: str, dialect: Dialect) -> list[str]:
    if record is None:
        raise FeedError(f"{name}: the file is empty; deliver it again, with a header and a row a product")
    content = record.content
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FeedError(f"{name}: the file is UTF-16; save it as UTF-8")
    if len(content) > _MAX_HEADER_BYTES or b"\0" in content:
        raise FeedError(f"{name}: does not start with a header of {dialect.words}; check the file's format")
    try:
        return [field.decode("utf-8") for field in dialect.split(content.removeprefix(codecs.BOM_UTF8))]
    except UnicodeDecodeError:
        raise FeedError(f"{name}: the header is not UTF-8; save the file as UTF-8, or check its format") from None


def records(source: BinaryIO, name: str, *, has_multiline_fields: bool) -> Iterator[Record]:
    """The records that are not blank. Raises `FeedError` where a quoted field is still open at the end."""
    content = bytearray()
    num_bytes = num_records = 0
    place = Place.BOUNDARY
    for piece, ends_line in _pieces(source):
        if num_bytes <= MAX_ROW_BYTES:  # what comes after has no use, for the row will be refused
            content += piece
        num_bytes += len(piece)
        if has_multiline_fields:
            place = place_after(piece, place)
        if not ends_line:
            continue
        if place is Place.QUOTED:
            if num_bytes <= MAX_ROW_BYTES:
                content += b"\n"
            num_bytes += 1
            continue
        if record := bytes(content.removesuffix(b"\r")):
            num_records += 1
            yield Record(record, num_bytes <= MAX_ROW_BYTES)
        content, num_bytes, place = bytearray(), 0, Place.BOUNDARY
    if place is Place.QUOTED:
        raise FeedError(f"{name}: the quote that row {num_records} opens is never closed; close it and deliver again")


def _pieces(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Pieces of at most a chunk, and whether a line ends after the piece; the last line always does."""
    while chunk := source.read(_CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield line, True
        if rest:
            yield rest, False
    yield b"", True


class Place(Enum):
    """Where in a record of comma-separated fields the reading stands."""

    BOUNDARY = auto()  # before a field, or after a quote in quoted text: a quote (re)opens the field
    PLAIN = auto()  # in a field's unquoted text: a quote is a character like any other
    QUOTED = auto()  # in quoted text: commas and line ends are characters like any other


_BOUNDARY_TURNS = {ord('"'): Place.QUOTED, ord(","): Place.BOUNDARY}


def place_after(piece: bytes, place: Place) -> Place:
    """Where the reading stands after one more piece, however the pieces were cut."""
    # Most lines have no quote, and then only the last byte matters.
    if place is not Place.QUOTED and b'"' not in piece and not piece.endswith(b","):
        return Place.PLAIN if piece else place
    position = 0
    while position < len(piece):
        if place is Place.BOUNDARY:
            place = _BOUNDARY_TURNS.get(piece[position], Place.PLAIN)
        else:
            position = piece.find(b'"' if place is Place.QUOTED else b",", position)
            if position < 0:
                return place
            place = Place.BOUNDARY
        position += 1
    return place
