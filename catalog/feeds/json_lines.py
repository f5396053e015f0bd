"""JSON Lines: an object per line, with Merchant Center's attribute names as keys."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.delimited import Record, lines_of
from catalog.feeds.feed import (
    ATTRIBUTES,
    DEFAULT_OPTIONS,
    MAX_ROW_BYTES,
    REPEATED,
    FeedBatch,
    FeedError,
    ReadOptions,
    attribute_of,
    attributes_by_header,
)
from catalog.feeds.transcoding import as_utf8


class _LineError(ValueError):
    """A line that is not a product, with the reason and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_json_lines(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of JSON objects, in constant memory.

    A broken line is a rejected row; blank lines are skipped; numbers are read as text.

    Raises:
        FeedError: The first line is not an object, so the file is of another format; or no line has the id under the
            partner's name.
    """
    attributes = attributes_by_header(options.columns)
    builder = BatchBuilder(name, options.columns)
    is_first = True
    for record in lines_of(as_utf8(source, name, options)):
        try:
            builder.add(_values(record, attributes))
        except _LineError as error:
            if is_first and error.reason == "broken_json":
                raise FeedError(f"{name}: the first line is not a JSON object; check the file's format") from error
            builder.reject(record.content, error.reason, error.detail)
        is_first = False
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


def _values(record: Record, attributes: Mapping[str, str]) -> list[bytes | None]:
    """Returns the bytes of the attributes, in the order of `ATTRIBUTES`."""
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
        # As text, since the library detects UTF-16 and UTF-32 in bytes, whose lines do not end where ours do.
        product = json.loads(line.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except RecursionError as error:
        raise _LineError("broken_json", "it is nested too deeply") from error
    except ValueError as error:  # also of text that is not UTF-8, and of numbers with thousands of digits
        raise _LineError("broken_json", f"no JSON: {error}") from error
    if not isinstance(product, dict):
        raise _LineError("broken_json", f"a JSON {type(product).__name__}, not an object")
    return product


def _text(attribute: str, value: Any) -> bytes | None:
    """Returns a JSON value as the text that the other formats would have in its place."""
    if attribute == REPEATED and isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise _LineError("wrong_type", f"{attribute} is a JSON {type(value).__name__}; write it as a string")
    # A lone surrogate, which JSON can escape, has no UTF-8: its bytes are rejected as such.
    return None if value is None else str(value).encode("utf-8", errors="surrogatepass")
