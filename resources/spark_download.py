"""Downloads on Spark: a delivery's links go to tasks by host, their pictures on to tasks by shard.

The driver plans and never sees a picture; every task runs a plain function of `catalog`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from upath import UPath

from catalog.images.fetch_settings import FetchSettings
from catalog.images.held import Reuse
from catalog.images.journals import remove_journals
from catalog.images.lane_download import LINKS_SCHEMA, download_lanes
from catalog.images.lanes import plan_lanes
from catalog.images.shard_files import remove_surplus
from catalog.images.shard_plans import ShardPlan, plan_shards
from catalog.images.shard_writing import write_shards
from catalog.images.shards import Progress, Tally, outcomes_of
from resources.spark_jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ENDINGS = "shard int, record string, picture binary"
_WRITTEN = "shard int, num_asked bigint, num_ok bigint"


@dataclass(frozen=True, kw_only=True)
class SparkDownload:
    """A download on a session's executors, in waves of so many shards: what a failure costs at most is one wave.

    `num_tasks` ask at once (0: as many as the executors have cores). Where no executor has been alive for
    `lost_after_s`, the delivery fails instead of waiting. `on_report` is told of finished tasks.
    """

    session: SparkSession
    wave_shards: int = 32
    num_tasks: int = 0
    lost_after_s: float = LOST_AFTER_S
    on_report: Callable[[str], None] = lambda report: None

    def download(
        self,
        products: pl.DataFrame,
        *,
        images: UPath,
        outcomes: UPath,
        settings: FetchSettings,
        on_progress: Callable[[Progress], None] | None = None,
        reuse: Reuse = Reuse(),  # noqa: B008 it is frozen
    ) -> pl.DataFrame:
        """What `download_delivery` makes of the same delivery, file by file; shards that are finished stand.

        Raises SparkJobError where Spark gives up.
        """
        plans = plan_shards(
            products, images=images, outcomes=outcomes, shard_rows=settings.shard_rows, refresh=reuse.refresh
        )
        tally = Tally(plans, on_progress)
        unfinished = [plan for plan in plans if not plan.is_finished]
        for plan in unfinished:
            if plan.todo.is_empty():  # only products that are gone have to be taken out
                plan.conclude({})
        asked = [plan for plan in unfinished if not plan.todo.is_empty()]
        for start in range(0, len(asked), self.wave_shards):
            wave = asked[start : start + self.wave_shards]
            name = f"{wave[0].files.name} to {wave[-1].files.name} of {len(plans)} shards"
            with watched(self.session.sparkContext, name, lost_after_s=self.lost_after_s, on_report=self.on_report):
                for num_asked, num_ok in self._write(wave, settings, None if reuse.refresh else reuse.held):
                    tally.add(num_asked, num_ok)
        remove_surplus(images, outcomes, len(plans))
        remove_journals(outcomes)  # of a download that this machine had begun
        tally.report()
        return outcomes_of(plans)

    def _write(
        self, wave: Sequence[ShardPlan], settings: FetchSettings, held: pl.DataFrame | None
    ) -> list[tuple[int, int]]:
        """Downloads and writes some shards; returns what was asked for and what came of each."""
        context = self.session.sparkContext
        num_tasks = self.num_tasks or context.defaultParallelism
        links = pl.concat(
            plan.todo.unique("image_url", keep="first", maintain_order=True).with_columns(shard=pl.lit(place, pl.Int32))
            for place, plan in enumerate(wave)
        )
        task_of, lanes = plan_lanes(links["image_url"], settings, num_tasks)
        if held is not None:
            held = held.join(links, on="image_url", how="semi")
        rows = links.with_columns(task_of).select(LINKS_SCHEMA.names).to_arrow().cast(LINKS_SCHEMA)
        written = (
            self.session.createDataFrame(rows)
            .repartitionById(num_tasks, "task")
            .mapInArrow(
                partial(download_lanes, lanes=lanes, settings=settings, held=held),
                _ENDINGS,
                # A second copy of a task would press its hosts twice as hard; Spark never copies one behind a barrier.
                barrier=context.getConf().get("spark.speculation", "false") == "true",
            )
            .repartitionById(len(wave), "shard")
            .mapInArrow(partial(write_shards, plans=dict(enumerate(wave))), _WRITTEN)
            .collect()
        )
        return [(row.num_asked, row.num_ok) for row in written]
