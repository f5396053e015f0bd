"""Feed content: the fingerprint of a feed file's bytes, and the rows in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from catalog.feeds.contents import open_content
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedBatch, FeedError, ReadOptions
from catalog.feeds.formats import FEED_READERS
from catalog.feeds.sources import FeedFile, InboxError, wrap_source_errors

_BLOCK_BYTES = 1 << 22


def fingerprint_of(feed: FeedFile) -> tuple[str, int]:
    """Return the SHA-256 of a feed file, as hexadecimal text, and its number of bytes.

    Raises:
        InboxError: The file cannot be read.
    """
    digest, num_bytes = hashlib.sha256(), 0
    with wrap_source_errors(feed.name), feed.open() as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            num_bytes += len(block)
    return digest.hexdigest(), num_bytes


def read_feed(feed: FeedFile, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a feed file, which is unpacked and decoded as it streams by.

    Args:
        options: What the partner's settings say about the reading.

    Raises:
        FeedError: The content is refused, maybe after batches were yielded.
        InboxError: The file cannot be read.
    """
    num_repaired = 0
    with (
        wrap_source_errors(feed.name, FeedError, InboxError),
        feed.open() as file,
        open_content(file, feed.file_name, feed.name, options) as content,
    ):
        for batch in FEED_READERS[content.feed_format](content.stream, feed.name, options):
            num_repaired += batch.num_repaired
            yield batch
    if num_repaired:
        options.note("rows with repaired bytes", f"{num_repaired:,}")
