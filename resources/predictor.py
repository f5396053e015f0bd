"""Catalog predictor: predicts the categories of a delivery's images, on this machine or on Spark's executors."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from catalog.storage.cores import num_cores
from resources.spark.session import Spark

BATCH_SIZE = 32
Report = Callable[[int, int], None]  # images predicted, of all

Predict = Callable[[pl.DataFrame, UPath, Report], pl.DataFrame]
"""Maps products (product_id, shard) and the folder of their images to rows of `PREDICTIONS`, in their order."""


class CatalogPredictor(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Predicts on this machine: threads decode images while the network computes, on the device of its choice."""

    coverage: float = 0.9  # the share of predictions that have to be right

    def load(self, deployment: Path) -> Predict:
        """Loads the deployment in a folder, and returns the function that predicts by it."""
        from ml.deployment.deployment import Deployment, read_metadata
        from ml.deployment.variants import Machine
        from resources.catalog_prediction import PREDICTIONS, images_of, predict

        # Half of the cores are left to decoding, which takes about as long per image as the network does.
        num_threads = max(1, num_cores() // 2)
        device = read_metadata(deployment)["machine"]["device"]
        loaded = Deployment.load(deployment, Machine(device=device, num_threads=num_threads, batch_size=BATCH_SIZE))

        def predict_here(wanted: pl.DataFrame, images: UPath, on_progress: Report) -> pl.DataFrame:
            parts, done = [pl.DataFrame(schema=PREDICTIONS)], 0
            for part in predict(loaded, images_of(images, wanted), self.coverage, BATCH_SIZE, num_cores()):
                parts.append(part)
                done += len(part)
                on_progress(done, len(wanted))
            return pl.concat(parts)

        return predict_here


class SparkCatalogPredictor(CatalogPredictor):
    """Predicts on the executors of a Spark cluster, which reach the store as this machine does."""

    spark: Spark

    def load(self, deployment: Path) -> Predict:
        """Returns the function that predicts on the cluster; it raises SparkJobError where a task fails."""
        from resources.spark.prediction import predict_on

        log = dg.get_dagster_logger().info

        def predict_there(wanted: pl.DataFrame, images: UPath, on_progress: Report) -> pl.DataFrame:
            predictions = predict_on(self.spark.session, wanted, images, deployment, self.coverage, log)
            on_progress(len(predictions), len(wanted))
            return predictions

        return predict_there
