"""Delimited text: a header, then a record per product, read line by line.

This is the plain twin of `catalog.feeds.fast_delimited`, which reads feeds, and gives the same rows for any bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import (
    ATTRIBUTES,
    MAX_FIELD_BYTES,
    MAX_ROW_BYTES,
    REPEATED,
    FeedBatch,
    ReadOptions,
    attribute_columns,
)
from catalog.feeds.layouts import Layout, detect_layout
from catalog.feeds.presets.preset import plain_name
from catalog.feeds.presets.recognition import merged_batches, preset_of, with_preset
from catalog.feeds.quoting import Quotes

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of a record without its line end; of one over `MAX_ROW_BYTES` only the start."""

    content: bytes
    is_whole: bool = True


class Header:
    """The header of one feed: the columns of each attribute, those that count first before the others."""

    def __init__(self, layout: Layout, name: str, options: ReadOptions) -> None:
        self.layout = layout
        self.preset = preset_of(layout.headers, options, name)
        options = with_preset(self.preset, layout.headers, options)
        is_merged = self.preset is not None and self.preset.merged is not None
        self.columns = {} if is_merged else attribute_columns(layout.headers, name, options)
        self._of_attributes = [self.columns.get(attribute, ()) for attribute in ATTRIBUTES]
        several = [attribute for attribute, columns in self.columns.items() if len(columns) > 1]
        if several:
            options.note("several columns", ", ".join(several))

    @property
    def quotes(self) -> Quotes:
        """The finder of records that take several lines."""
        links = self.columns.get("image_link")
        return Quotes(self.layout.dialect, len(self.layout.headers), links[0] if links else None)

    def fields(self, record: bytes) -> list[bytes] | None:
        """Return the fields of a record; None for one with too few, or with one that has no column's name over it."""
        layout = self.layout
        fields = layout.dialect.split(record, len(layout.headers))
        num_columns = len(layout.headers)
        if len(fields) < layout.num_columns or any(field.strip() for field in fields[layout.num_columns :]):
            return None
        return [*fields, *[b""] * (num_columns - len(fields))][:num_columns]

    def rows(self, builder: BatchBuilder, records: Iterable[Record]) -> Iterator[Mapping[str, str]]:
        """Yield the rows of a shop system's export by `plain_name`, and reject records that are none."""
        names = [plain_name(header) for header in self.layout.headers]
        for record in records:
            fields = self._checked(builder, record)
            if fields is not None:
                texts = (field.decode("utf-8", "surrogateescape") for field in fields)
                yield {name: text for name, text in zip(names, texts, strict=True) if text}

    def add(self, builder: BatchBuilder, record: Record) -> None:
        """Add a record to the batch, or reject it with a reason."""
        fields = self._checked(builder, record)
        if fields is not None:
            values = zip(ATTRIBUTES, self._of_attributes, strict=True)
            builder.add([_value(attribute, columns, fields) for attribute, columns in values])

    def _checked(self, builder: BatchBuilder, record: Record) -> list[bytes] | None:
        """Returns the fields of a record; None, and rejects it, where it is no row."""
        if not record.is_whole:
            builder.reject(record.content, "field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
            return None
        if record.content.removeprefix(b"\xef\xbb\xbf") == self.layout.header:
            builder.reject(record.content, "repeated_header", "the header once more, as in files that were joined")
            return None
        fields = self.fields(record.content)
        if fields is not None:
            return fields
        dialect = self.layout.dialect
        num_fields = len(dialect.split(record.content, len(self.layout.headers)))
        detail = f"{num_fields} fields where the header has {len(self.layout.headers)} ({dialect.description})"
        builder.reject(record.content, "wrong_field_count", detail)
        return None


def _value(attribute: str, columns: Sequence[int], fields: Sequence[bytes]) -> bytes | None:
    """Returns the value of an attribute: of several columns the first that is not empty, or all that are, joined."""
    if len(columns) < 2:
        return fields[columns[0]] if columns else None
    found = [field.strip() for column in columns if (field := fields[column]).strip()]
    if attribute == REPEATED:
        return b",".join(found)[: MAX_FIELD_BYTES + 1] or None
    return found[0] if found else None


def read_delimited(source: BinaryIO, name: str, options: ReadOptions, default_delimiter: str) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of delimited text that fits into memory; blank lines are skipped."""
    content = unix_lines(source.read())
    layout = detect_layout(content, name, options, default_delimiter)
    header = Header(layout, name, options)
    builder = BatchBuilder(name)
    content = content[layout.start :]
    records = records_of(content, header.quotes.records_over_lines(content, is_last=True)[0])
    if header.preset is not None and header.preset.merged is not None:
        yield from merged_batches(header.preset, header.rows(builder, records), builder, options)
        return
    for record in records:
        header.add(builder, record)
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def unix_lines(content: bytes) -> bytes:
    """Return text whose lines all end with a carriage return alone as text of lines that end with a line feed."""
    return content.replace(b"\r", b"\n") if b"\n" not in content and b"\r" in content else content


def records_of(content: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[Record]:
    """Yield the records of a block that are not blank; `spans` are the bounds of those that take several lines."""
    ends = dict(spans)
    position = 0
    while position < len(content):
        end = ends.get(position, content.find(b"\n", position))
        end = len(content) if end < 0 else end
        if record := content[position:end].removesuffix(b"\r"):
            yield Record(record, end - position <= MAX_ROW_BYTES)
        position = end + 1


def lines_of(source: BinaryIO) -> Iterator[Record]:
    """Yield the lines of a stream that are not blank, in constant memory."""
    content = bytearray()
    num_bytes = 0
    for piece, ends_line in _pieces(source):
        if num_bytes <= MAX_ROW_BYTES:  # the rest has no use, as the row is rejected
            content += piece
        num_bytes += len(piece)
        if not ends_line:
            continue
        if record := bytes(content.removesuffix(b"\r")):
            yield Record(record, num_bytes <= MAX_ROW_BYTES)
        content, num_bytes = bytearray(), 0


def _pieces(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yields pieces of at most a chunk, and whether a line ends after the piece; the last line always does."""
    while chunk := source.read(_CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield line, True
        if rest:
            yield rest, False
    yield b"", True
