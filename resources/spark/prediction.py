"""Prediction on Spark: each task predicts the categories of some of a delivery's shards by the deployment, on one core.

The deployment's files are shipped once to each executor; the executors read the images, which never pass the driver.
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
from resources.catalog_prediction import images_of, predict
from resources.spark.jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BATCH_SIZE = 32
_PRODUCTS = pa.schema(
    [("product_id", pa.string()), ("shard", pa.string()), ("sha256", pa.string()), ("task", pa.int32())]
)
_PREDICTIONS = (
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


def predict_on(
    session: SparkSession,
    wanted: pl.DataFrame,
    images: UPath,
    deployment: Path,
    coverage: float,
    on_report: Callable[[str], None],
) -> pl.DataFrame:
    """Returns the predictions that `CatalogPredictor` makes. Raises SparkJobError where a task fails."""
    shards = wanted["shard"].unique(maintain_order=True)
    num_tasks = max(1, min(len(shards), 4 * session.sparkContext.defaultParallelism))
    task_of = dict(zip(shards, (number % num_tasks for number in range(len(shards))), strict=True))
    sha256 = pl.col("sha256") if "sha256" in wanted.columns else pl.lit(None, pl.String).alias("sha256")
    rows = wanted.select(
        "product_id", "shard", sha256, task=pl.col("shard").replace_strict(task_of, return_dtype=pl.Int32)
    )
    session.sparkContext.addFile(str(deployment), recursive=True)
    task = partial(predict_task, images=images, deployment=deployment.name, coverage=coverage)
    name = f"predictions of {images.name}"
    with watched(session.sparkContext, name, lost_after_s=LOST_AFTER_S, on_report=on_report):
        predictions = (
            session.createDataFrame(rows.to_arrow().cast(_PRODUCTS))
            .repartitionById(num_tasks, "task")
            .mapInArrow(task, _PREDICTIONS)
            .toArrow()
        )
    return wanted.select("product_id").join(pl.DataFrame(predictions), on="product_id", maintain_order="left")


def predict_task(
    rows: Iterator[pa.RecordBatch], *, images: UPath, deployment: str, coverage: float
) -> Iterator[pa.RecordBatch]:
    """Predicts the categories of the products (product_id, shard, sha256) of one task."""
    loaded = _loaded(deployment)
    for batch in rows:
        wanted = pl.DataFrame(pa.Table.from_batches([batch])).select("product_id", "shard", "sha256")
        for part in predict(loaded, images_of(images, wanted), coverage, BATCH_SIZE, num_threads=1):
            yield from part.to_arrow().cast(_ARROW).to_batches()


@cache
def _loaded(deployment: str) -> Deployment:
    """The deployment that was shipped with the job, loaded once by each of an executor's processes."""
    from pyspark import SparkFiles

    return Deployment.load(Path(SparkFiles.get(deployment)), Machine(batch_size=BATCH_SIZE))
