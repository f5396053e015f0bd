"""Google Merchant Center's text feed: a header line, then a line per product, with fields separated by tabs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.delimited import Dialect
from catalog.feeds.fast_tabs import read_tabs
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedBatch, ReadOptions


def read_google_tsv(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a tab-separated feed; a line always ends a row, so a broken row never spoils the next."""
    return read_tabs(source, name, options, TABS)


def split_tabs(line: bytes) -> list[bytes]:
    """Return the fields of a line without spreadsheets' quotes: `"24"" TV"` is read as `24" TV`."""
    fields = line.split(b"\t")
    return [_unquoted(field) for field in fields] if b'"' in line else fields


def _unquoted(field: bytes) -> bytes:
    if len(field) < 2 or not (field.startswith(b'"') and field.endswith(b'"')):
        return field
    inner = field[1:-1]
    # Quotes around a field are a spreadsheet's only if those inside are doubled; others are part of the text.
    return field if b'"' in inner.replace(b'""', b"") else inner.replace(b'""', b'"')


TABS = Dialect(description="fields separated by tabs", split=split_tabs, has_multiline_fields=False)
