"""Cached images: images that other deliveries have stored and that a download copies instead of fetching them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from catalog.download.downloader import DownloadResult, LinkResult
from catalog.download.fetched import Fetched, Validators
from catalog.images.outcomes import OUTCOMES_SCHEMA, is_reduced
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.images.statuses import Status
from catalog.images.stored_image import FORMER_SHORT_SIDE_PX, StoredImage


def cached_images(outcomes: pl.LazyFrame, links: pl.Series, images: UPath, min_limit_px: int = 0) -> pl.DataFrame:
    """Finds the newest stored image of each link.

    Args:
        outcomes: outcomes of other deliveries, with the column `delivery`.
        links: the links to look up; nulls are skipped.
        images: the folder of the whole images table.
        min_limit_px: leaves out images that were reduced to a lower limit.

    Returns:
        One row per link that has an image: OUTCOMES_SCHEMA and `path`, the shard file that contains the image.
    """
    wanted = pl.LazyFrame({"image_url": links.drop_nulls().unique()})
    found = (
        outcomes.filter((pl.col("status") == Status.OK) & ~is_reduced(min_limit_px))
        .join(wanted, on="image_url", how="semi")
        .sort("fetched_at")
        .unique("image_url", keep="last")
        .collect()
    )
    folder = str(images).rstrip("/")
    path = pl.format("{}/delivery={}/{}.parquet", pl.lit(folder), "delivery", "shard").alias("path")
    return found.select(*OUTCOMES_SCHEMA.names(), path)


def copies_of(links: Mapping[int, Iterable[str | None]], cached: pl.DataFrame | None) -> Iterator[list[LinkResult]]:
    """Yields the results of the links, by shard, whose image is cached; one list per shard file that is read.

    An image that its file no longer contains, or whose bytes have another hash, is left out: its link is fetched.
    """
    if cached is None or cached.is_empty():
        return
    rows = [(index, url) for index, urls in links.items() for url in urls]
    wanted = pl.DataFrame(rows, schema={"index": pl.Int64, "image_url": pl.String}, orient="row")
    for (path,), found in cached.join(wanted, on="image_url").group_by("path", maintain_order=True):
        images = _images(UPath(path))
        yield [
            LinkResult(row["index"], row["image_url"], _result(row, data))
            for row in found.iter_rows(named=True)
            if (data := images.get((row["product_id"], row["sha256"]))) is not None
            and sha256(data).hexdigest() == row["sha256"]
        ]


def _images(path: UPath) -> dict[tuple[str, str], bytes]:
    """The images of one shard file, by product and content."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        table = pq.read_table(file, schema=IMAGES_SCHEMA)
    keys = zip(table["product_id"].to_pylist(), table["sha256"].to_pylist(), strict=True)
    return dict(zip(keys, pc.struct_field(table["image"], "bytes").to_pylist(), strict=True))


def _result(row: Mapping[str, Any], data: bytes) -> DownloadResult:
    fetched = Fetched(
        status=Status.OK,
        http_status=row["http_status"],
        final_url=row["final_url"],
        validators=Validators(row["etag"], row["last_modified"]),
    )
    limit_px = row["short_side_limit_px"] or FORMER_SHORT_SIDE_PX
    image = StoredImage(data, row["width"], row["height"], row["sha256"], row["dhash"], limit_px)
    return DownloadResult(status=Status.OK, fetched=fetched, image=image, fetched_at=row["fetched_at"])
