"""Shards: a delivery's pictures, a thousand at a time, so that an interruption costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from upath import UPath

from catalog.images.downloading import Downloader, Ending, timed_out
from catalog.images.fetching import FetchSettings, Validators
from catalog.images.held import Reuse, copy_held
from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, outcomes_table
from catalog.images.picture import Picture
from catalog.images.shard_files import pictures_table, remove_surplus
from catalog.images.shard_plans import ShardPlan, links_of, plan_shards
from catalog.images.statuses import Status

PROGRESS_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery is: products that have an outcome, of all, and how many of them have a picture."""

    done: int
    total: int
    ok: int


def download_delivery(
    products: pl.DataFrame,
    *,
    images: UPath,
    outcomes: UPath,
    settings: FetchSettings,
    on_progress: Callable[[Progress], None] | None = None,
    reuse: Reuse = Reuse(),  # noqa: B008 it is frozen
) -> pl.DataFrame:
    """The outcome of every product's download, in the order of `products` (see `plan_shards` for its columns).

    `images` and `outcomes` are the delivery's folders. Called again, it asks only for what is missing or may
    end differently now, and replaces shard by shard; a shard that has nothing of this kind is not touched.
    Raises ValueError for a product_id that appears twice; dead links and bad pictures are outcomes.
    """
    plans = plan_shards(
        products, images=images, outcomes=outcomes, shard_rows=settings.shard_rows, refresh=reuse.refresh
    )
    tally = Tally(plans, on_progress)
    unfinished = [plan for plan in plans if not plan.is_finished]
    if unfinished:
        asyncio.run(_download_all(unfinished, settings, tally, None if reuse.refresh else reuse.held))
    remove_surplus(images, outcomes, len(plans))
    tally.report()
    return outcomes_of(plans)


def outcomes_of(plans: Sequence[ShardPlan]) -> pl.DataFrame:
    """The outcomes that the shards' files hold now."""
    tables = [plan.files.read_outcomes() for plan in plans]
    return pl.concat(tables) if tables else pl.DataFrame(schema=OUTCOMES_SCHEMA)


class Tally:
    """The count behind the progress reports."""

    def __init__(self, plans: Sequence[ShardPlan], on_progress: Callable[[Progress], None] | None) -> None:
        self._total = sum(plan.wanted.height for plan in plans)
        self._done = self._total - sum(plan.todo.height for plan in plans)
        self._ok = sum(int((plan.held["status"] == Status.OK).sum()) for plan in plans)
        self._on_progress = on_progress
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S

    def add(self, num_products: int, num_ok: int) -> None:
        """Counts products that have got an outcome, and those of them that have got a picture."""
        self._done += num_products
        self._ok += num_ok
        if time.monotonic() >= self._next_report:
            self.report()

    def report(self) -> None:
        """Tells how far it is."""
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._ok))


@dataclass(frozen=True)
class _Engine:
    """What all shards of a download share on one machine."""

    downloader: Downloader
    tally: Tally
    open_shards: asyncio.Semaphore  # their pictures are what memory holds
    held: pl.DataFrame | None
    shard_timeout_s: float

    async def finish(self, plan: ShardPlan) -> None:
        """Gets what the shard lacks, from other deliveries or by asking for it, and writes it."""
        async with self.open_shards:
            todo, copied, copies = await asyncio.to_thread(copy_held, plan.todo, self.held, plan.files.name)
            self.tally.add(copied.height, copied.height)
            ends = await self._ends(plan, todo)
            await asyncio.to_thread(_write, plan, ends, copied, copies)

    async def _ends(self, plan: ShardPlan, todo: pl.DataFrame) -> list[tuple[Outcome, Picture | None]]:
        """How it ended for every product of `todo`, each link asked for once, within the shard's time."""
        tasks = []
        with suppress(TimeoutError):  # only of this very limit: what a link meets is its status
            async with asyncio.timeout(self.shard_timeout_s), asyncio.TaskGroup() as group:
                for url, etag, last_modified, product_ids in links_of(todo):
                    known = Validators(etag, last_modified)
                    task = group.create_task(self._end(url, plan.files.index, known, len(product_ids)))
                    tasks.append((url, product_ids, task))
        ends = []
        for url, product_ids, task in tasks:
            ending = timed_out() if task.cancelled() else task.result()
            ends += [(ending.outcome(each, url, plan.files.name), ending.picture) for each in product_ids]
        return ends

    async def _end(self, url: str | None, rank: int, known: Validators, num_products: int) -> Ending:
        # The rank lets an older shard finish, retries included, before a younger one begins.
        ending = await self.downloader.end(url, rank, known)
        self.tally.add(num_products, num_products if ending.picture else 0)
        return ending


async def _download_all(
    plans: Sequence[ShardPlan], settings: FetchSettings, tally: Tally, held: pl.DataFrame | None
) -> None:
    try:
        async with Downloader(settings) as downloader:
            open_shards = asyncio.Semaphore(settings.max_open_shards)
            engine = _Engine(downloader, tally, open_shards, held, settings.shard_timeout_s)
            async with asyncio.TaskGroup() as group:
                for plan in plans:
                    group.create_task(engine.finish(plan))
    except BaseExceptionGroup as group:  # a disk that is full is told as such, not as a group of one
        raise _first(group) from None


def _write(
    plan: ShardPlan, ends: Sequence[tuple[Outcome, Picture | None]], copied: pl.DataFrame, copies: pa.Table
) -> None:
    fetched = outcomes_table(outcome for outcome, _ in ends)
    pictures = pictures_table({outcome.product_id: picture for outcome, picture in ends if picture is not None})
    plan.finish(pl.concat([fetched, copied]), pa.concat_tables([pictures, copies]))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
