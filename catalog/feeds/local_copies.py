"""Local copies: a feed at a URL is fetched once, within limits, and read from a file of this machine.

So all readings see the same bytes, and a server that stalls between two bytes stalls no reader.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, BinaryIO

from fsspec.implementations.local import LocalFileSystem

from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.sources import FeedFile, UnreachableFeedError, UnsettledFeedError, wrap_source_errors

BLOCK_BYTES = 1 << 20
MIN_FREE_BYTES = 1_000_000_000  # of the disk with temporary files, which others need


@contextmanager
def local_copy(feed: FeedFile) -> Iterator[FeedFile]:
    """A block in which a feed's bytes are on this machine: a feed of the inbox as it is, one at a URL as a copy.

    Raises:
        InboxError: The feed cannot be fetched within the limits of its access.
        UnsettledFeedError: It changed meanwhile.
    """
    if not feed.is_url:
        yield feed
        return
    stamp = feed.stamp()
    with tempfile.NamedTemporaryFile(prefix="shelfsight-feed-") as file:
        with wrap_source_errors(feed.name, UnreachableFeedError), feed.open() as source:
            _copy(source, file, feed)
        file.flush()
        if feed.stamp() != stamp:
            raise UnsettledFeedError(f"feed {feed.name} changed while it was fetched; it is fetched again")
        yield replace(feed, filesystem=LocalFileSystem(), path=file.name, known_stamp=stamp)


def _copy(source: BinaryIO, target: IO[bytes], feed: FeedFile) -> None:
    progress = _Progress(feed.access)
    while block := source.read(BLOCK_BYTES):
        if problem := progress.problem(len(block)):
            raise UnreachableFeedError(f"feed {feed.name} cannot be fetched: {problem}")
        target.write(block)


@dataclass
class _Progress:
    """The progress of a fetch, against its limits."""

    access: FeedAccess
    num_bytes: int = 0
    started_s: float = field(default_factory=time.monotonic)
    measured_s: float = field(default_factory=time.monotonic)  # since when the rate is measured
    measured_bytes: int = 0

    def problem(self, num_bytes: int) -> str | None:
        """Counts the bytes of a block; returns the limit that it exceeds, with the way out."""
        access, now = self.access, time.monotonic()
        if self.num_bytes // MIN_FREE_BYTES != (self.num_bytes + num_bytes) // MIN_FREE_BYTES or not self.num_bytes:
            folder = tempfile.gettempdir()
            if shutil.disk_usage(folder).free < 2 * MIN_FREE_BYTES:
                return f"{folder} is nearly full; make room there, or set TMPDIR to a folder that has it"
        self.num_bytes += num_bytes
        self.measured_bytes += num_bytes
        if self.num_bytes > access.max_bytes:
            return f"it has more than {access.max_bytes:,} bytes; deliver it in several files"
        if now - self.started_s > access.timeout_s:
            return (
                f"after {access.timeout_s:g} s {self.num_bytes:,} bytes had come, and not all; raise feed_timeout_s, "
                "or ask the partner for a faster server"
            )
        if now - self.measured_s > access.idle_s:
            rate = self.measured_bytes / (now - self.measured_s)
            if rate < access.min_bytes_per_s:
                return f"its server sends {rate:,.0f} bytes a second; ask the partner for a faster one"
            self.measured_s, self.measured_bytes = now, 0
        return None
