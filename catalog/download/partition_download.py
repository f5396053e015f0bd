"""Partition download: the links of one host partition in, a stream of their results out, whichever engine runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping

import polars as pl

from catalog.download.bounded_stream import BoundedStream
from catalog.download.cached_images import copies_of
from catalog.download.downloader import Downloader, DownloadResult, LinkResult, timed_out
from catalog.download.host_queues import HostQueues, QueuedLink
from catalog.download.settings import FetchSettings
from catalog.download.shard_plans import Link

MAX_WAITING_BYTES = 16_000_000  # of images that the consumer has not taken yet; then no request starts
MAX_BATCH_LINKS = 256


def download_links(
    links: Mapping[int, Iterable[Link]],
    settings: FetchSettings,
    cached: pl.DataFrame | None = None,
    on_unread: Callable[[list[LinkResult]], None] | None = None,
) -> Generator[list[LinkResult], None, None]:
    """Downloads the links of one host partition and yields their results as they end, each exactly once.

    Links with a cached image are copied; then one client in a thread of its own fetches the others, the shard with
    the lowest index first. Memory stays flat however slow the consumer is. Closing the generator ends the download.

    Args:
        links: the links of each shard, by the shard's index.
        settings: limits of hosts, sizes and times.
        cached: images of other deliveries (see `cached_images`).
        on_unread: receives the results that were fetched and not yet yielded when the generator is closed.
    """
    shards = {index: {link.url: link for link in shard} for index, shard in links.items()}
    for copies in copies_of(shards, cached):
        for index, url, _ in copies:
            del shards[index][url]
        yield copies

    async def fetch(stream: BoundedStream[LinkResult]) -> None:
        try:
            async with Downloader(settings, stream.room) as downloader, asyncio.TaskGroup() as group:
                # Twice as many as there are connections: a link that backs off after a failure keeps none idle.
                queues = HostQueues(group, downloader, 2 * settings.politeness.max_connections)
                for index in sorted(shards):
                    shard = _Shard(index, shards[index], settings.shard_timeout_s, stream)
                    for link in list(shards[index].values()):
                        queues.add(QueuedLink(link, index, shard.start, shard.end))
                    await asyncio.sleep(0)  # the first requests start while the other links are queued
        except BaseExceptionGroup as errors:
            raise _first_error(errors) from None

    if any(shards.values()):
        stream = BoundedStream[LinkResult](_num_bytes, max_bytes=MAX_WAITING_BYTES, max_items=MAX_BATCH_LINKS)
        yield from stream.batches(fetch, on_unread)


class _Shard:
    """The links of a shard that have no result yet; when the shard's time is up they time out."""

    def __init__(
        self, index: int, links: dict[str | None, Link], timeout_s: float, stream: BoundedStream[LinkResult]
    ) -> None:
        self._index, self._open, self._timeout_s, self._stream = index, links, timeout_s, stream
        self._clock: asyncio.TimerHandle | None = None

    def start(self) -> bool:
        """Returns whether the shard's links are still wanted; the first one starts the clock."""
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(self._timeout_s, self._expire)
        return bool(self._open)

    def end(self, url: str | None, result: DownloadResult) -> None:
        """Passes a link's result on, unless the link has timed out meanwhile."""
        if self._open.pop(url, None) is not None:
            self._stream.put(LinkResult(self._index, url, result))

    def _expire(self) -> None:
        for url in list(self._open):
            self.end(url, timed_out())


def _num_bytes(ended: LinkResult) -> int:
    image = ended.result.image
    return len(image.data) if image else 0


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Unwraps the first error of a task group: a full disk is reported as that and not as a group of one error."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
