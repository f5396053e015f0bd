"""JSON Lines: an object a line, with Merchant Center's attribute names as keys."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.delimited import Record, records
from catalog.feeds.feed import (
    ATTRIBUTES,
    MAX_ROW_BYTES,
    NO_NAMES,
    REPEATED,
    FeedBatch,
    FeedError,
    attribute_of,
    attributes_by_header,
)


class _LineError(ValueError):
    """A line that is no product; reason and detail tell why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_json_lines(
    source: BinaryIO, name: str, names: Mapping[str, str] = NO_NAMES, *, is_start: bool = True
) -> Iterator[FeedBatch]:
    """Reads a feed of JSON objects in constant memory; a broken line is a rejected row, and blank lines are nothing.

    Numbers are taken as text. Raises `FeedError` where the first line is no object: the file is of another format,
    unless the source is a later part of one (`is_start` is false); and where no line has the id by the partner's name.
    """
    attributes = attributes_by_header(names)
    builder = BatchBuilder(name, names)
    is_first = is_start
    for record in records(source, name, has_multiline_fields=False):
        try:
            builder.take(_values(record, attributes))
        except _LineError as error:
            if is_first and record.content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise FeedError(f"{name}: the file is UTF-16; save it as UTF-8") from error
            if is_first and error.reason == "broken_json":
                raise FeedError(f"{name}: the first line is no JSON object; check the file's format") from error
            builder.refuse(record.content, error.reason, error.detail)
        is_first = False
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def _values(record: Record, attributes: Mapping[str, str]) -> list[bytes | None]:
    """The bytes of the attributes, in the order of `ATTRIBUTES`."""
    if not record.is_whole:
        raise _LineError("field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
    product = _object(record.content)
    found: dict[str, bytes | None] = {}
    for key, value in product.items():
        attribute = attributes.get(attribute_of(key))
        if attribute is not None and found.get(attribute) is None:  # of repeated ones the first counts
            found[attribute] = _text(attribute, value)
    return [found.get(attribute) for attribute in ATTRIBUTES]


def _object(line: bytes) -> dict[str, Any]:
    try:
        # As text, for of bytes the library guesses UTF-16 and UTF-32, whose lines do not end where ours do.
        product = json.loads(line.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except RecursionError as error:
        raise _LineError("broken_json", "it is nested too deeply") from error
    except ValueError as error:  # also of text that is no UTF-8, and of numbers with thousands of digits
        raise _LineError("broken_json", f"no JSON: {error}") from error
    if not isinstance(product, dict):
        raise _LineError("broken_json", f"a JSON {type(product).__name__}, not an object")
    return product


def _text(attribute: str, value: Any) -> bytes | None:
    """A JSON value as the text that the other formats would have in its place."""
    if attribute == REPEATED and isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise _LineError("wrong_type", f"{attribute} is a JSON {type(value).__name__}; write it as a string")
    # A lone surrogate, which JSON can escape, has no UTF-8: it goes on as bytes that are told as such.
    return None if value is None else str(value).encode("utf-8", errors="surrogatepass")
