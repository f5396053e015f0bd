"""Shards: a delivery's pictures, a thousand at a time, so that an interruption costs little."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from catalog.images.decoding import Picture, PictureRules, decode
from catalog.images.fetching import Fetched, Fetcher, FetchSettings
from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, Status, outcomes_table
from catalog.images.shard_files import ShardFiles, pictures_table, remove_surplus

PROGRESS_INTERVAL_S = 1.0
_RETRYABLE = [status.value for status in Status if status.retryable]
_KEY = ["product_id", "image_url"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery is: products that have an outcome, of all, and how many of them have a picture."""

    done: int
    total: int
    ok: int


@dataclass(frozen=True)
class _Shard:
    """One shard's work: the products it wants, the final outcomes it holds, the products to be fetched."""

    files: ShardFiles
    wanted: pl.DataFrame  # product_id, image_url
    held: pl.DataFrame  # outcomes
    todo: pl.DataFrame  # product_id, image_url
    is_finished: bool


def download_delivery(
    products: pl.DataFrame,
    *,
    images: UPath,
    outcomes: UPath,
    settings: FetchSettings,
    on_progress: Callable[[Progress], None] | None = None,
) -> pl.DataFrame:
    """The outcome of every product's download, in the order of `products` (columns product_id, image_url).

    `images` and `outcomes` are the delivery's folders. Called again, it asks only for what is missing or may
    end differently now, and replaces shard by shard; a shard that has nothing of this kind is not touched.
    Raises ValueError for a product_id that appears twice; dead links and bad pictures are outcomes.
    """
    wanted = products.select(pl.col("product_id").cast(pl.String), pl.col("image_url").cast(pl.String))
    twice = wanted.filter(pl.col("product_id").is_duplicated())
    if not twice.is_empty():
        raise ValueError(f"product_id {twice['product_id'][0]!r} appears twice; reject or rename one of its rows")
    slices = list(wanted.iter_slices(settings.shard_rows)) if wanted.height else []
    shards = [_plan(ShardFiles(images, outcomes, index), part) for index, part in enumerate(slices)]
    tally = _Tally(shards, on_progress)
    unfinished = [shard for shard in shards if not shard.is_finished]
    if unfinished:
        asyncio.run(_download_all(unfinished, settings, tally))
    remove_surplus(images, outcomes, len(shards))
    tally.report()
    tables = [shard.files.read_outcomes() for shard in shards]
    return pl.concat(tables) if tables else pl.DataFrame(schema=OUTCOMES_SCHEMA)


def _plan(files: ShardFiles, wanted: pl.DataFrame) -> _Shard:
    recorded = files.read_outcomes()
    still_wanted = recorded.join(wanted, on=_KEY, how="semi", nulls_equal=True)
    held = still_wanted.filter(~pl.col("status").is_in(_RETRYABLE))
    todo = wanted.join(held, on=_KEY, how="anti", nulls_equal=True, maintain_order="left")
    # A record of more products than are wanted is rewritten without them.
    return _Shard(files, wanted, held, todo, todo.is_empty() and recorded.height == wanted.height)


class _Tally:
    """The count behind the progress reports."""

    def __init__(self, shards: Sequence[_Shard], on_progress: Callable[[Progress], None] | None) -> None:
        self._total = sum(shard.wanted.height for shard in shards)
        self._done = sum(shard.held.height for shard in shards)
        self._ok = sum(int((shard.held["status"] == Status.OK).sum()) for shard in shards)
        self._on_progress = on_progress
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S

    def add(self, num_products: int, status: Status) -> None:
        self._done += num_products
        self._ok += num_products if status is Status.OK else 0
        if time.monotonic() >= self._next_report:
            self.report()

    def report(self) -> None:
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._ok))


class _Decoders:
    """Threads that decode; while they are behind, `ready` is cleared and no further picture is asked for."""

    def __init__(self, rules: PictureRules, num_threads: int) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="decoding")
        self._max_waiting = 16 * num_threads
        self._num_waiting = 0
        self.ready = asyncio.Event()
        self.ready.set()

    async def decode(self, data: bytes) -> Picture | Status:
        self._num_waiting += 1
        if self._num_waiting >= self._max_waiting:
            self.ready.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, decode, data, self._rules)
        finally:
            self._num_waiting -= 1
            if self._num_waiting < self._max_waiting:
                self.ready.set()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class _Downloader:
    """One delivery's download: its client, its decoders and the shards they are working on."""

    def __init__(self, fetcher: Fetcher, decoders: _Decoders, tally: _Tally, max_open_shards: int) -> None:
        self._fetcher = fetcher
        self._decoders = decoders
        self._tally = tally
        self._open_shards = asyncio.Semaphore(max_open_shards)  # their pictures are what memory holds

    async def finish(self, shard: _Shard) -> None:
        """Fetches what the shard lacks and writes it, beside the pictures it holds."""
        async with self._open_shards:
            by_url = shard.todo.group_by("image_url", maintain_order=True).agg("product_id")
            async with asyncio.TaskGroup() as tasks:
                ends = [
                    tasks.create_task(self._end(shard.files, url, product_ids))
                    for url, product_ids in by_url.iter_rows()
                ]
            await asyncio.to_thread(_write, shard, [end for task in ends for end in task.result()])

    async def _end(
        self, shard: ShardFiles, url: str | None, product_ids: Sequence[str]
    ) -> list[tuple[Outcome, Picture | None]]:
        """How it ended for the products that show the picture behind one link, which is asked for once."""
        # The rank lets an older shard finish, retries included, before a younger one begins.
        fetched = await self._fetcher.fetch(url, shard.index) if url else Fetched(status=Status.INVALID_URL)
        status, picture = fetched.status, None
        if fetched.data is not None:
            decoded = await self._decoders.decode(fetched.data)
            if isinstance(decoded, Picture):
                picture = decoded
            else:
                status = decoded
        self._tally.add(len(product_ids), status)
        fetched_at = datetime.now(UTC)
        return [
            (
                Outcome(
                    product_id=product_id,
                    image_url=url,
                    status=status,
                    http_status=fetched.http_status,
                    final_url=fetched.final_url,
                    attempts=fetched.attempts,
                    bytes=len(picture.data) if picture else None,
                    width=picture.width if picture else None,
                    height=picture.height if picture else None,
                    sha256=picture.sha256 if picture else None,
                    dhash=picture.dhash if picture else None,
                    shard=shard.name if picture else None,
                    duration_ms=fetched.duration_ms,
                    fetched_at=fetched_at,
                ),
                picture,
            )
            for product_id in product_ids
        ]


async def _download_all(shards: Sequence[_Shard], settings: FetchSettings, tally: _Tally) -> None:
    decoders = _Decoders(settings, settings.num_decoding_threads or _num_cores())
    try:
        async with Fetcher(settings, ready=decoders.ready) as fetcher:
            downloader = _Downloader(fetcher, decoders, tally, settings.max_open_shards)
            async with asyncio.TaskGroup() as tasks:
                for shard in shards:
                    tasks.create_task(downloader.finish(shard))
    except BaseExceptionGroup as group:  # a disk that is full is told as such, not as a group of one
        raise _first(group) from None
    finally:
        decoders.close()


def _write(shard: _Shard, ends: Sequence[tuple[Outcome, Picture | None]]) -> None:
    fetched = outcomes_table(outcome for outcome, _ in ends)
    merged = pl.concat([shard.held.select(OUTCOMES_SCHEMA.names()), fetched])
    in_order = shard.wanted.select("product_id").join(merged, on="product_id", how="left", maintain_order="left")
    new = pictures_table({outcome.product_id: picture for outcome, picture in ends if picture is not None})
    held_ids = shard.held.filter(pl.col("status") == Status.OK)["product_id"]
    if held_ids.is_empty():
        pictures = new
    else:
        old = shard.files.read_pictures()
        is_held = pc.is_in(old["product_id"], value_set=pa.array(held_ids.to_list(), pa.string()))
        pictures = pa.concat_tables([old.filter(is_held), new])
    shard.files.write(in_order.select(OUTCOMES_SCHEMA.names()), pictures)


def _num_cores() -> int:
    """The cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
