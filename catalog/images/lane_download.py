"""Lane downloads: the links that one task of a cluster holds, each to its end, as a stream of Arrow batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa

from catalog.images.downloading import Downloader, Ending, timed_out
from catalog.images.fetch_settings import FetchSettings
from catalog.images.fetched import Validators
from catalog.images.held import copies_of
from catalog.images.lanes import Lanes
from catalog.images.lines import Lines, Waiting
from catalog.images.outbox import Outbox
from catalog.images.records import record_of
from catalog.images.shard_plans import Link
from catalog.images.shards import first_error

# A link, the place of its shard among those that are worked on, the picture's version that is known, and the task
# that asks for it.
LINKS_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("image_url", pa.string()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("task", pa.int32()),
    ]
)
# How it ended with a link of a shard: `catalog.images.records`, the picture null where there is none.
ENDINGS_SCHEMA = pa.schema([("shard", pa.int32()), ("record", pa.string()), ("picture", pa.binary())])

MAX_WAITING_BYTES = 16_000_000  # of pictures that the consumer has not taken yet; then no more are asked for
MAX_BATCH_ROWS = 256

Ended = tuple[int, str | None, Ending]  # the shard, the link, its end


def download_lanes(
    batches: Iterable[pa.RecordBatch], lanes: Lanes, settings: FetchSettings, held: pl.DataFrame | None = None
) -> Iterator[pa.RecordBatch]:
    """`download_links` within one task's share of each host's limits; raises ValueError for the links of two tasks."""
    rows = [batch for batch in batches if batch.num_rows]
    tasks = {task for batch in rows for task in batch.column("task").unique().to_pylist()}
    if len(tasks) > 1:
        raise ValueError(f"one task got the links of tasks {sorted(tasks)}; hosts would be pressed harder than allowed")
    for task in tasks:
        # One decoding process beside each task: tasks already share the cores, and a hostile picture takes none along.
        yield from download_links(rows, replace(lanes.settings_of(task, settings), num_decoders=1), held)


def download_links(
    batches: Iterable[pa.RecordBatch], settings: FetchSettings, held: pl.DataFrame | None = None
) -> Iterator[pa.RecordBatch]:
    """How it ended with each link of LINKS_SCHEMA, as ENDINGS_SCHEMA, in the order in which they end.

    What is `held` (see `held_pictures`) is copied, the rest asked for, by one client in a thread of its own. Memory
    stays flat however slow the consumer is; one that stops ends the download. A link twice in a shard counts once.
    """
    links = _links_by_shard(batches)
    urls = {url for wanted in links.values() for url in wanted if url is not None}
    for url, ending in copies_of(sorted(urls), held):
        yield _batch([(shard, url, ending) for shard, wanted in links.items() if wanted.pop(url, None)])
    if not any(links.values()):
        return

    async def fill(outbox: Outbox[Ended]) -> None:
        await _download(links, settings, outbox)

    outbox = Outbox[Ended](_num_bytes, max_bytes=MAX_WAITING_BYTES, max_items=MAX_BATCH_ROWS)
    for ended in outbox.batches(fill):
        yield _batch(ended)


def _links_by_shard(batches: Iterable[pa.RecordBatch]) -> dict[int, dict[str | None, Link]]:
    links: dict[int, dict[str | None, Link]] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("shard", "image_url", "etag", "last_modified"))
        for shard, url, etag, last_modified in zip(*columns, strict=True):
            links.setdefault(shard, {}).setdefault(url, Link(url, Validators(etag, last_modified), []))
    return links


async def _download(links: dict[int, dict[str | None, Link]], settings: FetchSettings, outbox: Outbox[Ended]) -> None:
    try:
        async with Downloader(settings, outbox.room) as downloader, asyncio.TaskGroup() as group:
            # Twice as many as there are connections, as on one machine.
            lines = Lines(group, downloader, 2 * settings.politeness.max_connections)
            for index in sorted(links):
                shard = _Shard(index, links[index], settings.shard_timeout_s, outbox)
                for link in list(links[index].values()):
                    lines.add(Waiting(link, index, shard.start, shard.end))
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None


class _Shard:
    """One task's links of a shard; what is open when the shard's time is up ends as timed out."""

    def __init__(self, index: int, links: dict[str | None, Link], timeout_s: float, outbox: Outbox[Ended]) -> None:
        self._index, self._open, self._timeout_s, self._outbox = index, links, timeout_s, outbox
        self._clock: asyncio.TimerHandle | None = None

    def start(self) -> bool:
        """Whether its links are still wanted; the first one starts the clock."""
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(self._timeout_s, self._expire)
        return bool(self._open)

    def end(self, url: str | None, ending: Ending) -> None:
        """Passes on how it ended with a link, unless it came too late."""
        if self._open.pop(url, None) is not None:
            self._outbox.put((self._index, url, ending))

    def _expire(self) -> None:
        for url in list(self._open):
            self.end(url, timed_out())


def _num_bytes(ended: Ended) -> int:
    picture = ended[2].picture
    return len(picture.data) if picture else 0


def _batch(ended: Sequence[Ended]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([shard for shard, _, _ in ended], pa.int32()),
            pa.array([record_of(url, ending) for _, url, ending in ended], pa.string()),
            pa.array([ending.picture.data if ending.picture else None for _, _, ending in ended], pa.binary()),
        ],
        schema=ENDINGS_SCHEMA,
    )
