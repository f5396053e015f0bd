"""The labeller: where a deployment answers for a delivery's pictures, on this machine or on Spark's executors."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from resources.compute import num_cores
from resources.spark import Spark

MIN_FOR_PROCESSES = 512  # pictures; fewer are decoded before decoding processes would have started
BATCH_SIZE = 32
Report = Callable[[int, int], None]  # pictures labelled, of all


Label = Callable[[pl.DataFrame, UPath, Report], pl.DataFrame]
"""Rows of `resources.labelling.LABELS` of products (product_id, shard), in their order, whose pictures lie there."""


class Labeller(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Labels on this machine: processes decode, and the network computes in this one, on the device of its choice."""

    coverage: float = 0.9  # how often an answer has to be right

    def load(self, deployment: Path) -> Label:
        """What labels by the deployment in a folder, for any number of deliveries."""
        from ml.deployment.deployment import Deployment, facts_of
        from ml.deployment.variants import Machine
        from resources.labelling import LABELS, label, pictures_of
        from resources.pixel_decoders import PixelDecoders

        # Half of the cores are left to decoding, which takes a picture as long as the network does.
        num_threads = max(1, num_cores() // 2)
        device = facts_of(deployment)["machine"]["device"]
        loaded = Deployment.load(deployment, Machine(device=device, num_threads=num_threads, batch_size=BATCH_SIZE))

        def label_here(wanted: pl.DataFrame, images: UPath, on_progress: Report) -> pl.DataFrame:
            num_processes = num_cores() if len(wanted) >= MIN_FOR_PROCESSES else 0
            parts, done = [pl.DataFrame(schema=LABELS)], 0
            with PixelDecoders(num_processes, loaded.resolution) as decoders:
                for part in label(loaded, pictures_of(images, wanted), self.coverage, decoders, BATCH_SIZE):
                    parts.append(part)
                    done += len(part)
                    on_progress(done, len(wanted))
            return pl.concat(parts)

        return label_here


class SparkLabeller(Labeller):
    """The same on the executors of a Spark cluster, which reach the store as this machine does."""

    spark: Spark

    def load(self, deployment: Path) -> Label:
        """What `Labeller.load` gives; it raises SparkJobError where a task fails."""
        from resources.spark_labelling import label_on

        told = dg.get_dagster_logger().info

        def label_there(wanted: pl.DataFrame, images: UPath, on_progress: Report) -> pl.DataFrame:
            made = label_on(self.spark.session, wanted, images, deployment, self.coverage, told)
            on_progress(len(made), len(wanted))
            return made

        return label_there
