"""The feed taker: how a delivery's rows become products, here or on a cluster."""

from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from catalog.deliveries import Delivery
from resources.spark import Spark

if TYPE_CHECKING:  # the readers load where they read
    from catalog.feed_places import FeedPlace
    from catalog.partners import PartnerSettings
    from catalog.products import Takings
    from catalog.taxonomy import Taxonomy
    from catalog.taxonomy_moves import Moves


class FeedTaker(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Reads a delivery on this machine, which is one task."""

    min_task_rows: int = 1_000  # fewer are not worth a task of their own

    def take(
        self,
        delivery: Delivery,
        feed: "FeedPlace",
        *,
        partner: "PartnerSettings",
        taxonomy: "Taxonomy",
        moves: "Moves",
    ) -> "Takings":
        """The delivery's products and rejected rows. Raises FeedError where the feed is refused."""
        from catalog.delivered import delivered_batches
        from catalog.products import take_products

        return take_products(
            delivered_batches(delivery, feed, partner.columns),
            partner=partner,
            delivery=delivery.key,
            taxonomy=taxonomy,
            moves=moves,
        )


class SparkFeedTaker(FeedTaker):
    """Reads ranges of a delivery on the executors of a Spark cluster, which reach the feed as this machine does."""

    spark: Spark

    def take(
        self,
        delivery: Delivery,
        feed: "FeedPlace",
        *,
        partner: "PartnerSettings",
        taxonomy: "Taxonomy",
        moves: "Moves",
    ) -> "Takings":
        """What `FeedTaker.take` gives. Raises SparkJobError where a task fails, a feed that is refused included."""
        from catalog.feeds import decompressed
        from catalog.feeds.subslices import subslices
        from catalog.range_taking import RangeReading, join_ranges
        from resources.spark_products import take_ranges

        num_rows = delivery.part.num_rows or 0
        if num_rows < 2 * self.min_task_rows:
            return super().take(delivery, feed, partner=partner, taxonomy=taxonomy, moves=moves)
        session = self.spark.session
        num_ranges = min(session.sparkContext.defaultParallelism, num_rows // self.min_task_rows)
        with feed.open() as file:
            content = decompressed(file, feed.file_name, feed.name)
            parts = subslices(content, feed.name, delivery.feed_format, delivery.part, num_ranges)
        reading = RangeReading(
            ranges=[replace(delivery, part=part) for part in parts],
            feed=feed,
            partner=partner,
            taxonomy=taxonomy,
            moves=moves,
        )
        return join_ranges(take_ranges(session, reading, dg.get_dagster_logger().info))
