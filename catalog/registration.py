"""Registration: a feed file is read once, for its fingerprint and for the places at which its rows can be cut."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import BinaryIO, cast

from catalog.deliveries import MAX_DELIVERY_ROWS, Delivery
from catalog.feed_places import FeedPlace, InboxError, UnsettledFeedError, reached
from catalog.feeds import FeedError, decompressed, format_of
from catalog.feeds.slicing import slices

_BLOCK_BYTES = 1 << 22


def register(feed: FeedPlace, *, received_at: datetime, max_rows: int = MAX_DELIVERY_ROWS) -> list[Delivery]:
    """The deliveries that a feed makes: one, or its slices of at most `max_rows` rows in their order.

    Raises `InboxError` for a name, a format or a content that cannot be taken, and `UnsettledFeedError` for a feed
    that changes meanwhile.
    """
    key = feed.key
    stamp = feed.stamp()
    try:
        feed_format = format_of(feed.file_name)
        with feed.open() as file:
            digesting = Digesting(file, feed.name)
            if feed_format == "parquet":  # its end is read first, so its fingerprint is taken apart
                digesting.drain()
                file.seek(0)
                parts = slices(file, feed.name, feed_format, max_rows)
            else:
                packed = cast(BinaryIO, io.BufferedReader(digesting, _BLOCK_BYTES))
                content = decompressed(packed, feed.file_name, feed.name)
                parts = slices(content, feed.name, feed_format, max_rows)
                digesting.drain()
    except InboxError:
        raise
    except FeedError as error:
        raise InboxError(f"feed is not taken: {error}") from error
    except (ValueError, OSError, EOFError) as error:
        raise InboxError(f"feed {feed.name} is not taken: {error}") from error
    if feed.stamp() != stamp:
        raise UnsettledFeedError(f"feed {feed.name} is being written; it is taken once it rests")
    return [
        Delivery(
            key=key if len(parts) == 1 else f"{key}.{part.number:05}",
            partner_id=feed.partner_id,
            feed=feed.name,
            feed_format=feed_format,
            sha256=digesting.sha256,
            num_bytes=digesting.num_bytes,
            received_at=received_at.isoformat(),
            stamp=stamp,
            part=part,
        )
        for part in parts
    ]


class Digesting(io.RawIOBase):
    """A file that is fingerprinted as it is read, in a thread beside the reading."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.num_bytes = 0
        self._file, self._name = file, name
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fingerprint")
        self._last: Future[None] | None = None  # at most one block waits, so memory stays flat

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read so far, as hexadecimal text."""
        self._settle()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Ends the thread; the file itself is its opener's to close."""
        self._settle()
        self._thread.shutdown()
        super().close()

    def _settle(self) -> None:
        if self._last is not None:
            self._last.result()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with reached(self._name):
            block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._settle()
        self._last = self._thread.submit(self._digest.update, block)
        self.num_bytes += len(block)
        return len(block)

    def drain(self) -> None:
        """Reads on to the end."""
        while self.read(_BLOCK_BYTES):
            pass


def sha256_of(feed: FeedPlace) -> str:
    """The fingerprint of what a feed holds now."""
    with feed.open() as file:
        digesting = Digesting(file, feed.name)
        digesting.drain()
    return digesting.sha256
