"""The feed parser: makes products of a delivery's rows, on this machine or on a cluster."""

from typing import TYPE_CHECKING

import dagster as dg

from resources.spark.session import Spark

if TYPE_CHECKING:  # the readers load where they read
    from catalog.products.delivery_parsing import DeliveryTask
    from catalog.products.parsing import ParsedFeed


class FeedParser(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Parses a delivery on this machine."""

    min_task_rows: int = 1_000  # deliveries with fewer are parsed on this machine by every engine

    def parse(self, task: "DeliveryTask") -> "ParsedFeed":
        """Return the delivery's products and rejected rows.

        Raises:
            FeedError: The feed is refused, or changed since its registration.
        """
        return task.parse()


class SparkFeedParser(FeedParser):
    """Parses a delivery on an executor of a Spark cluster, which reads feeds and parts at the paths of this machine."""

    spark: Spark

    def parse(self, task: "DeliveryTask") -> "ParsedFeed":
        """Return what `FeedParser.parse` returns.

        Raises:
            SparkJobError: The task fails; a feed that is refused is one reason.
        """
        from resources.spark.products import parse_on

        if (task.delivery.part.num_rows or 0) < self.min_task_rows:
            return super().parse(task)
        return parse_on(self.spark.session, task, dg.get_dagster_logger().info)
