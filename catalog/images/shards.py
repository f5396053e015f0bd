"""Shards: a delivery's pictures, a thousand at a time, so that an interruption costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl
from upath import UPath

from catalog.images.downloading import Downloader, Ending, timed_out
from catalog.images.fetch_settings import FetchSettings
from catalog.images.held import Reuse, copies_of
from catalog.images.journals import Journal, remove_journals
from catalog.images.lines import Lines, Waiting
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import remove_surplus
from catalog.images.shard_plans import ShardPlan, links_of, plan_shards
from catalog.images.statuses import Status

PROGRESS_INTERVAL_S = 1.0
NUM_WRITING = 2  # shards being written at once


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
    remove_journals(outcomes)
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


class _Shard:
    """A shard under way: its journal, and how many of its links have not ended yet."""

    def __init__(self, plan: ShardPlan, held: pl.DataFrame | None) -> None:
        self.plan = plan
        self._journal = Journal.of(plan.files.outcomes, plan.files.name)
        links = list(links_of(plan.todo))
        ended = self._journal.open()
        for url, ending in copies_of((link.url for link in links if link.url not in ended), held):
            self._journal.add(url, ending)
            ended.add(url)
        self.links = {link.url: link for link in links if link.url not in ended}  # less those that end
        self.is_started = self.is_over = False

    def end(self, url: str | None, ending: Ending) -> int:
        """Notes how it ended with a link; returns how many products show it."""
        self._journal.add(url, ending)
        return len(self.links.pop(url).product_ids)

    def expire(self) -> None:
        """Its time is up: what is still open ends as timed out."""
        for url in list(self.links):
            self.end(url, timed_out())

    def write(self) -> None:
        """Writes the finished shard, and removes its journal."""
        self.plan.conclude(self._journal.endings())
        self._journal.remove()


class _Engine:
    """The download of some shards on one machine, within a running task group."""

    def __init__(self, group: asyncio.TaskGroup, downloader: Downloader, settings: FetchSettings, tally: Tally) -> None:
        self._group = group
        # Twice as many as there are connections: a link that backs off after a failure keeps no connection idle.
        self._lines = Lines(group, downloader, 2 * settings.politeness.max_connections)
        self._tally = tally
        self._writing = asyncio.Semaphore(NUM_WRITING)
        self._shard_timeout_s = settings.shard_timeout_s

    async def add(self, plan: ShardPlan, held: pl.DataFrame | None) -> None:
        """Takes up a shard: what is held elsewhere is copied, the rest stands in line."""
        shard = await asyncio.to_thread(_Shard, plan, held)
        self._tally.add(plan.todo.height - sum(len(link.product_ids) for link in shard.links.values()), 0)
        if not shard.links:
            self._close(shard)
        for link in list(shard.links.values()):
            # The rank lets an older shard finish, retries included, before a younger one begins.
            self._lines.add(Waiting(link, plan.files.index, partial(self._start, shard), partial(self._end, shard)))

    def _start(self, shard: _Shard) -> bool:
        """Whether a link of the shard is still wanted; its first link starts the shard's clock."""
        if not shard.is_started:
            shard.is_started = True
            asyncio.get_running_loop().call_later(self._shard_timeout_s, self._expire, shard)
        return not shard.is_over

    def _end(self, shard: _Shard, url: str | None, ending: Ending) -> None:
        if shard.is_over:  # it came too late
            return
        num_products = shard.end(url, ending)
        self._tally.add(num_products, num_products if ending.picture else 0)
        if not shard.links:
            self._close(shard)

    def _expire(self, shard: _Shard) -> None:
        if not shard.is_over:
            shard.expire()
            self._close(shard)

    def _close(self, shard: _Shard) -> None:
        shard.is_over = True
        self._group.create_task(self._write(shard))

    async def _write(self, shard: _Shard) -> None:
        async with self._writing:  # what is being written is what memory holds of pictures
            await asyncio.to_thread(shard.write)


async def _download_all(
    plans: Sequence[ShardPlan], settings: FetchSettings, tally: Tally, held: pl.DataFrame | None
) -> None:
    try:
        async with Downloader(settings) as downloader, asyncio.TaskGroup() as group:
            engine = _Engine(group, downloader, settings, tally)
            for plan in plans:
                await engine.add(plan, held)
    except BaseExceptionGroup as errors:  # a disk that is full is told as such, not as a group of one
        raise first_error(errors) from None


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What failed first in a task group, out of however many groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
