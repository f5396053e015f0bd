"""The fetcher: how a delivery's pictures are downloaded, and how hard shops may be pressed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from upath import UPath

from resources.spark import Spark

if TYPE_CHECKING:  # the HTTP client loads where it fetches
    from catalog.images.fetch_settings import FetchSettings
    from catalog.images.held import Reuse
    from catalog.images.shards import Progress


class Fetcher(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Downloads on this machine with asyncio. Private addresses are refused unless ``allowed_networks`` names them."""

    contact: str = ""  # an address or URL that a shop can write to; sent with every request
    allowed_networks: str = ""  # comma-separated CIDRs or addresses, such as "127.0.0.1/32"
    timeout_s: float = 20.0
    connections_per_host: int = 8
    requests_per_s_per_host: float = 0.0  # 0: no rate limit
    honour_robots: bool = False  # robots.txt and X-Robots-Tag
    shard_rows: int = 1_000
    reference: str = ""  # the folder whose hosts.toml has what is agreed with single shops; "": none

    def download(
        self,
        products: pl.DataFrame,
        *,
        images: UPath,
        outcomes: UPath,
        reuse: "Reuse",
        on_progress: "Callable[[Progress], None]",
    ) -> pl.DataFrame:
        """Every product's outcome, in feed order; finished shards are kept, missing and retryable ones fetched."""
        from catalog.images.shards import download_delivery

        return download_delivery(
            products,
            images=images,
            outcomes=outcomes,
            settings=self.settings(),
            on_progress=on_progress,
            reuse=reuse,
        )

    def settings(self) -> "FetchSettings":
        """The same as plain values, which any engine can ship to a worker."""
        from catalog.images.fetch_settings import FetchSettings
        from catalog.images.host_limits import read_host_limits
        from catalog.images.politeness import Politeness

        politeness = Politeness(
            max_connections=self.connections_per_host, rate_per_s=self.requests_per_s_per_host or None
        )
        return FetchSettings(
            user_agent=f"shelfsight/0.1 ({self.contact or 'no contact configured'})",
            timeout_s=self.timeout_s,
            idle_timeout_s=min(10.0, self.timeout_s),
            allowed_networks=tuple(part.strip() for part in self.allowed_networks.split(",") if part.strip()),
            honour_robots=self.honour_robots,
            shard_rows=self.shard_rows,
            politeness=politeness,
            host_limits=read_host_limits(UPath(self.reference), politeness) if self.reference else {},
        )


class SparkFetcher(Fetcher):
    """The same on the executors of a Spark cluster, which reach shops and store by the same names as this machine."""

    spark: Spark
    wave_shards: int = 32  # finished shards stand, so a failure costs one wave at most

    def download(
        self,
        products: pl.DataFrame,
        *,
        images: UPath,
        outcomes: UPath,
        reuse: "Reuse",
        on_progress: "Callable[[Progress], None]",
    ) -> pl.DataFrame:
        """What `Fetcher.download` gives, file by file."""
        from resources.spark_download import SparkDownload

        engine = SparkDownload(
            session=self.spark.session, wave_shards=self.wave_shards, on_report=dg.get_dagster_logger().info
        )
        return engine.download(
            products,
            images=images,
            outcomes=outcomes,
            settings=self.settings(),
            on_progress=on_progress,
            reuse=reuse,
        )
