"""Image downloader: the resource that downloads a delivery's images, with the limits for each shop."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field
from upath import UPath

from resources.spark.session import Spark

if TYPE_CHECKING:  # the HTTP client loads where it fetches
    from catalog.download.delivery import DownloadOptions, Engine, Progress
    from catalog.download.image_roots import Root
    from catalog.download.settings import FetchSettings


class ImageDownloader(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Downloads on this machine with asyncio. Private addresses are refused unless ``allowed_networks`` names them."""

    contact: str = ""  # an address or URL that a shop can write to; sent with every request
    allowed_networks: str = ""  # comma-separated CIDRs or addresses, such as "127.0.0.1/32"
    timeout_s: float = 20.0
    connections_per_host: int = 8
    requests_per_s_per_host: float = 0.0  # 0: no rate limit
    honor_robots: bool = False  # robots.txt and X-Robots-Tag
    shard_rows: int = 1_000
    short_side_px: int = 256  # of stored images, at most
    quality: int = 90  # of stored images, as JPEG
    max_pixels: int = 50_000_000  # of accepted images
    min_decoded_share: float = 0.9  # of the rows of accepted images that were cut off
    image_roots: dict[str, str] = Field(default_factory=dict)  # folders and URLs by name, besides http and https
    parts: str = ""  # the folder of the deliveries' parts, with the images of feeds that bring them; "": none
    reference: str = ""  # the folder whose hosts.toml has the limits of single shops; "": none

    def download(
        self,
        products: pl.DataFrame,
        *,
        images: UPath,
        outcomes: UPath,
        options: "DownloadOptions",
        on_progress: "Callable[[Progress], None]",
    ) -> pl.DataFrame:
        """Fetches missing and retryable links and returns every product's outcome, in feed order."""
        from catalog.download.delivery import download_delivery

        return download_delivery(
            products,
            images=images,
            outcomes=outcomes,
            settings=self.settings(),
            on_progress=on_progress,
            options=replace(options, engine=self.engine()),
        )

    def engine(self) -> "Engine":
        """Returns what runs the download: this process."""
        from catalog.download.delivery import run_in_process

        return run_in_process

    def settings(self) -> "FetchSettings":
        """Returns the settings as plain values, which any engine can ship to a worker.

        Raises:
            ImageRootError: an image root cannot be used.
        """
        from catalog.download.host_limiter import Politeness
        from catalog.download.host_limits import read_host_limits
        from catalog.download.settings import FetchSettings

        politeness = Politeness(
            max_connections=self.connections_per_host, rate_per_s=self.requests_per_s_per_host or None
        )
        # A rate is a shop's; a disk or an object store has none unless hosts.toml says so.
        unlimited = Politeness(max_connections=self.connections_per_host)
        of_roots = {root.host: unlimited for root in self.roots()}
        return FetchSettings(
            user_agent=f"shelfsight/0.1 ({self.contact or 'no contact configured'})",
            timeout_s=self.timeout_s,
            idle_timeout_s=min(10.0, self.timeout_s),
            allowed_networks=tuple(part.strip() for part in self.allowed_networks.split(",") if part.strip()),
            honor_robots=self.honor_robots,
            shard_rows=self.shard_rows,
            short_side_px=self.short_side_px,
            quality=self.quality,
            max_pixels=self.max_pixels,
            min_decoded_share=self.min_decoded_share,
            politeness=politeness,
            host_limits=of_roots | (read_host_limits(UPath(self.reference), politeness) if self.reference else {}),
            image_roots=self.image_roots,
            parts=self.parts,
        )

    def roots(self) -> "tuple[Root, ...]":
        """Returns the image roots, checked; raises ImageRootError for one that cannot be used."""
        from catalog.download.image_roots import Roots

        return Roots(self.image_roots, self.parts).roots


class SparkImageDownloader(ImageDownloader):
    """Downloads on the executors of a Spark cluster, which reach shops and store by the same names as this machine."""

    spark: Spark
    wave_shards: int = 32  # finished shards are kept, so a failure costs at most one wave

    def engine(self) -> "Engine":
        """Returns what runs the download: the session's executors."""
        from resources.spark.download import SparkEngine

        return SparkEngine(
            session=self.spark.session, wave_shards=self.wave_shards, on_report=dg.get_dagster_logger().info
        )
