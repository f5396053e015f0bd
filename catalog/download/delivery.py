"""Delivery download: plans the shards of a delivery, lets an engine download them, and reports progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

import polars as pl
from upath import UPath

from catalog.download.downloader import LinkResult
from catalog.download.journals import Journal, journal_folder, remove_journals
from catalog.download.partition_download import download_links
from catalog.download.settings import FetchSettings
from catalog.download.shard_plans import ShardPlan, plan_shards
from catalog.download.shard_writing import Counts, OpenShard, write_shards
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import image_files_of, remove_surplus
from catalog.images.statuses import Status
from catalog.storage.locks import locked

PROGRESS_INTERVAL_S = 1.0

Engine = Callable[[Sequence[ShardPlan], FetchSettings, pl.DataFrame | None], Generator[Counts, None, None]]
"""Downloads and writes shards, with the images that are cached, and yields counts of what is done since the last."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a delivery: products that have an outcome, all products, and those that have an image."""

    done: int
    total: int
    ok: int


def run_in_process(
    plans: Sequence[ShardPlan], settings: FetchSettings, cached: pl.DataFrame | None
) -> Generator[Counts, None, None]:
    """Downloads shards in this process: all hosts are one partition, and results wait in journals on a local disk."""
    shards = {plan.files.index: OpenShard(plan, Journal.of(plan.files.outcomes, plan.files.name)) for plan in plans}
    links = {index: list(shard.links.values()) for index, shard in shards.items()}

    def record(unread: list[LinkResult]) -> None:
        """Keeps what was fetched before the download broke off, so that the next run does not fetch it again."""
        for index, url, result in unread:
            shards[index].add(url, result)

    with closing(download_links(links, settings, cached, on_unread=record)) as results:
        yield from write_shards(results, shards)


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """Options of one download.

    `engine` runs the download; every engine leaves the same files. `cached` has images of other deliveries (see
    `cached_images`); their links are copied, not fetched. With `refresh`, links that have an outcome are fetched again,
    conditionally where the server names versions, and nothing is copied. With `enlarge`, images are fetched again that
    were reduced to a lower short side than that of the settings; a smaller original is none of them.
    """

    engine: Engine = run_in_process
    cached: pl.DataFrame | None = None
    refresh: bool = False
    enlarge: bool = False


def download_delivery(
    products: pl.DataFrame,
    *,
    images: UPath,
    outcomes: UPath,
    settings: FetchSettings,
    on_progress: Callable[[Progress], None] | None = None,
    options: DownloadOptions = DownloadOptions(),
) -> pl.DataFrame:
    """Downloads the images of a delivery and returns the outcome of every product, in the order of `products`.

    Called again, it fetches only what is missing or may end differently now, and replaces shard by shard; a finished
    shard is not touched. Dead links and bad images are outcomes, not errors. Two processes on a machine do not download
    one delivery at once: they would share its journals.

    Args:
        products: see `plan_shards`.
        images: the delivery's folder of the images table.
        outcomes: the delivery's folder of the outcomes table.
        settings: limits of hosts, sizes and times.
        on_progress: called about every second, and at the end.
        options: the engine, images of other deliveries to copy, whether to refetch.

    Raises:
        LockedError: another process downloads this delivery; the message names it.
        ValueError: a product_id appears twice.
        StoreNotWritableError: a file cannot be written.
    """
    journals = journal_folder(outcomes)
    with locked(journals.with_name(f".{journals.name}.lock"), f"the download of {outcomes.name}"):
        return _download(products, images, outcomes, settings, on_progress, options)


def _download(
    products: pl.DataFrame,
    images: UPath,
    outcomes: UPath,
    settings: FetchSettings,
    on_progress: Callable[[Progress], None] | None,
    options: DownloadOptions,
) -> pl.DataFrame:
    plans = plan_shards(
        products,
        images=images,
        outcomes=outcomes,
        shard_rows=settings.shard_rows,
        refresh=options.refresh,
        enlarge_to_px=settings.short_side_px if options.enlarge else 0,
    )
    counter = _ProgressCounter(plans, on_progress)
    unfinished = [plan for plan in plans if not plan.is_finished]
    if unfinished:
        cached = None if options.refresh else options.cached
        with closing(options.engine(unfinished, settings, cached)) as counts:
            for num_products, num_ok in counts:
                counter.add(num_products, num_ok)
    tables = [plan.files.read_outcomes() for plan in plans]
    named = [name for table in tables for name in image_files_of(table)]
    former = [name for plan in plans for name in image_files_of(plan.existing)]
    remove_surplus(images, outcomes, num_shards=len(plans), named=named, former=former)
    remove_journals(outcomes)
    counter.report()
    return _complete(pl.concat(tables) if tables else pl.DataFrame(schema=OUTCOMES_SCHEMA), plans)


def _complete(outcomes: pl.DataFrame, plans: Sequence[ShardPlan]) -> pl.DataFrame:
    """Returns the outcomes; raises RuntimeError where a product that was to be downloaded has none."""
    for plan in plans:
        if lost := plan.todo.join(outcomes, on="product_id", how="anti").height:
            raise RuntimeError(
                f"{lost} of {plan.todo.height} products of {plan.files.name} in {plan.files.outcomes} have no outcome; "
                "another process may have replaced it: run this again"
            )
    return outcomes


class _ProgressCounter:
    def __init__(self, plans: Sequence[ShardPlan], on_progress: Callable[[Progress], None] | None) -> None:
        self._total = sum(plan.products.height for plan in plans)
        self._done = self._total - sum(plan.todo.height for plan in plans)
        settled = (plan.existing.join(plan.todo, on="product_id", how="anti") for plan in plans)
        self._ok = sum(int((outcomes["status"] == Status.OK).sum()) for outcomes in settled)
        self._on_progress = on_progress
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S

    def add(self, num_products: int, num_ok: int) -> None:
        self._done += num_products
        self._ok += num_ok
        if time.monotonic() >= self._next_report:
            self.report()

    def report(self) -> None:
        self._next_report = time.monotonic() + PROGRESS_INTERVAL_S
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._ok))
