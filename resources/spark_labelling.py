"""Labelling on Spark: a delivery's shards go to tasks, each of which answers by the deployment on its own core.

The deployment's files are shipped once to each executor; pictures are read where they lie and never pass the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from upath import UPath

from ml.deployment.deployment import Deployment
from ml.deployment.variants import Machine
from resources.labelling import label, pictures_of
from resources.pixel_decoders import PixelDecoders
from resources.spark_jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BATCH_SIZE = 32
_PLACES = pa.schema([("product_id", pa.string()), ("shard", pa.string()), ("task", pa.int32())])
_LABELS = (
    "product_id string, category_id bigint, depth tinyint, probability float, leaf_id bigint, leaf_probability float, "
    "alternatives array<struct<category_id: bigint, probability: float>>"
)
_ARROW = pa.schema(
    [
        ("product_id", pa.string()),
        ("category_id", pa.int64()),
        ("depth", pa.int8()),
        ("probability", pa.float32()),
        ("leaf_id", pa.int64()),
        ("leaf_probability", pa.float32()),
        ("alternatives", pa.list_(pa.struct([("category_id", pa.int64()), ("probability", pa.float32())]))),
    ]
)


def label_on(
    session: SparkSession,
    wanted: pl.DataFrame,
    images: UPath,
    deployment: Path,
    coverage: float,
    on_report: Callable[[str], None],
) -> pl.DataFrame:
    """What `Labeller` makes of the same pictures, row by row. Raises SparkJobError where a task fails."""
    shards = wanted["shard"].unique(maintain_order=True)
    num_tasks = max(1, min(len(shards), 4 * session.sparkContext.defaultParallelism))
    task_of = dict(zip(shards, (number % num_tasks for number in range(len(shards))), strict=True))
    rows = wanted.select("product_id", "shard").with_columns(
        task=pl.col("shard").replace_strict(task_of, return_dtype=pl.Int32)
    )
    session.sparkContext.addFile(str(deployment), recursive=True)
    answered = partial(label_rows, images=images, deployment=deployment.name, coverage=coverage)
    name = f"labels of {images.name}"
    with watched(session.sparkContext, name, lost_after_s=LOST_AFTER_S, on_report=on_report):
        made = (
            session.createDataFrame(rows.to_arrow().cast(_PLACES))
            .repartitionById(num_tasks, "task")
            .mapInArrow(answered, _LABELS)
            .toArrow()
        )
    labels = pl.DataFrame(made)
    return wanted.select("product_id").join(labels, on="product_id", maintain_order="left")


def label_rows(
    rows: Iterator[pa.RecordBatch], *, images: UPath, deployment: str, coverage: float
) -> Iterator[pa.RecordBatch]:
    """A task's labels: of the products (product_id, shard) that came to it."""
    loaded = _loaded(deployment)
    for batch in rows:
        wanted = pl.DataFrame(pa.Table.from_batches([batch])).select("product_id", "shard")
        with PixelDecoders(0, loaded.resolution) as decoders:
            for part in label(loaded, pictures_of(images, wanted), coverage, decoders, BATCH_SIZE):
                yield from part.to_arrow().cast(_ARROW).to_batches()


@cache
def _loaded(deployment: str) -> Deployment:
    """The deployment that came with the job, loaded once by each of an executor's processes."""
    from pyspark import SparkFiles

    return Deployment.load(Path(SparkFiles.get(deployment)), Machine(batch_size=BATCH_SIZE))
