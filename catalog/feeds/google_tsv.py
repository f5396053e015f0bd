"""Google Merchant Center's text feed: a header line, then a line per product, with fields separated by tabs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.fast_delimited import read_text
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedBatch, ReadOptions


def read_google_tsv(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of delimited text, by tabs where its header does not show another delimiter."""
    return read_text(source, name, options, "\t")
