"""Spark engine: the links of a delivery go to tasks by host, and their images on to tasks by shard.

The driver plans and never receives an image; every task runs a plain function of `catalog`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from catalog.download.arrow_tasks import LINKS_SCHEMA, download_task, write_task
from catalog.download.host_partitions import plan_host_partitions
from catalog.download.journals import MemoryJournal
from catalog.download.settings import FetchSettings
from catalog.download.shard_plans import ShardPlan
from catalog.download.shard_writing import Counts, OpenShard, write_shards
from resources.spark.jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RESULTS = "shard int, record string, image binary"
_COUNTS = "num_products bigint, num_ok bigint"


@dataclass(frozen=True, kw_only=True)
class SparkEngine:
    """Downloads and writes shards on a session's executors (see `catalog.download.delivery.Engine`).

    Shards are downloaded in waves of `wave_shards`: a failure costs at most one wave. `num_tasks` fetch at once (0: as
    many as the executors have cores). Where no executor has been alive for `lost_after_s`, the delivery fails instead
    of waiting. `on_report` receives the number of finished tasks as text.
    """

    session: SparkSession
    wave_shards: int = 32
    num_tasks: int = 0
    lost_after_s: float = LOST_AFTER_S
    on_report: Callable[[str], None] = lambda report: None

    def __call__(
        self, plans: Sequence[ShardPlan], settings: FetchSettings, cached: pl.DataFrame | None
    ) -> Generator[Counts, None, None]:
        """Runs the waves one after another; raises SparkJobError where Spark gives up."""
        without_links = [plan for plan in plans if plan.todo.is_empty()]  # removed products have to be taken out
        yield from write_shards((), {plan.files.index: OpenShard(plan, MemoryJournal()) for plan in without_links})
        plans = [plan for plan in plans if not plan.todo.is_empty()]
        for start in range(0, len(plans), self.wave_shards):
            wave = plans[start : start + self.wave_shards]
            name = f"{wave[0].files.name} to {wave[-1].files.name} of {len(plans)} shards"
            with watched(self.session.sparkContext, name, lost_after_s=self.lost_after_s, on_report=self.on_report):
                counts = self._run(wave, settings, cached)
            yield from counts

    def _run(self, wave: Sequence[ShardPlan], settings: FetchSettings, cached: pl.DataFrame | None) -> list[Counts]:
        """Downloads and writes the shards of one wave."""
        context = self.session.sparkContext
        num_tasks = self.num_tasks or context.defaultParallelism
        links = pl.concat(
            plan.todo.unique("image_url", keep="first", maintain_order=True).with_columns(shard=pl.lit(index, pl.Int32))
            for index, plan in enumerate(wave)
        )
        task_of, partitions = plan_host_partitions(links["image_url"], settings, num_tasks)
        if cached is not None:
            cached = cached.join(links, on="image_url", how="semi")
        rows = links.with_columns(task_of).select(LINKS_SCHEMA.names).to_arrow().cast(LINKS_SCHEMA)
        counts = (
            self.session.createDataFrame(rows)
            .repartitionById(num_tasks, "task")
            .mapInArrow(
                partial(download_task, partitions=partitions, settings=settings, cached=cached),
                _RESULTS,
                # A second copy of a task would double the load on its hosts; Spark never copies one behind a barrier.
                barrier=context.getConf().get("spark.speculation", "false") == "true",
            )
            .repartitionById(len(wave), "shard")
            .mapInArrow(partial(write_task, plans=dict(enumerate(wave))), _COUNTS)
            .collect()
        )
        return [(row.num_products, row.num_ok) for row in counts]
