"""Shard plans: the outcomes that each shard of a delivery has already, and the links it still needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Validators
from catalog.download.shard_merging import FetchedLink, ShardBefore, merged
from catalog.images.outcomes import is_reduced
from catalog.images.shard_files import ShardFiles
from catalog.images.statuses import RETRYABLE, Status, values

_KEY = ["product_id", "image_url"]
_VALIDATORS = ["etag", "last_modified"]
_RETRYABLE = values(RETRYABLE)


@dataclass(frozen=True)
class ShardPlan:
    """The work that one shard needs.

    `products` are all of the shard, in order (product_id, image_url). `existing` has the outcomes that stay unless
    better ones come. `todo` is to be downloaded (product_id, image_url, etag, last_modified). With `keeps_images`, an
    image stays whatever its link ends in now, unless in another image.
    """

    files: ShardFiles
    products: pl.DataFrame
    existing: pl.DataFrame
    todo: pl.DataFrame
    is_finished: bool
    keeps_images: bool = False

    def write(self, results: Mapping[str | None, DownloadResult]) -> None:
        """Writes the shard: the results of all links of `todo`, merged with what exists (see `merged`).

        Raises:
            LookupError: an existing image is no longer in its file, or another one is.
            RuntimeError: a product would lose its row.
        """
        before = ShardBefore(self.files, self.products, self.existing, self.keeps_images)
        links = links_of(self.todo)
        fetched = [FetchedLink(link.url, link.known, link.product_ids, results[link.url]) for link in links]
        self.files.write(*merged(before, fetched))


def plan_shards(
    products: pl.DataFrame,
    *,
    images: UPath,
    outcomes: UPath,
    shard_rows: int,
    refresh: bool = False,
    enlarge_to_px: int = 0,
) -> list[ShardPlan]:
    """Plans the shards of a delivery, each of `shard_rows` products in their order.

    Args:
        products: product_id and image_url; with `is_removed`, products where it is true are not fetched any more.
        images: the delivery's folder of the images table.
        outcomes: the delivery's folder of the outcomes table.
        shard_rows: products per shard.
        refresh: fetch links that have an outcome again, conditionally where the server names versions.
        enlarge_to_px: fetch images again that were reduced to a lower short side than this one.

    Raises:
        ValueError: a product_id appears twice.
    """
    if "is_removed" not in products.columns:
        products = products.with_columns(is_removed=pl.lit(False))
    wanted = products.select(pl.col("product_id", "image_url").cast(pl.String), pl.col("is_removed").cast(pl.Boolean))
    duplicates = wanted.filter(pl.col("product_id").is_duplicated())
    if not duplicates.is_empty():
        duplicate = duplicates["product_id"][0]
        raise ValueError(f"product_id {duplicate!r} appears twice; reject or rename one of its rows")
    slices: Sequence[pl.DataFrame] = list(wanted.iter_slices(shard_rows)) if wanted.height else []
    files = [ShardFiles(images, outcomes, index) for index in range(len(slices))]
    return [_plan(each, part, refresh, enlarge_to_px) for each, part in zip(files, slices, strict=True)]


def _plan(files: ShardFiles, wanted: pl.DataFrame, refresh: bool, enlarge_to_px: int) -> ShardPlan:
    recorded = files.read_outcomes()
    still_wanted = recorded.join(wanted, on=_KEY, how="semi", nulls_equal=True)
    existing = still_wanted.filter(~pl.col("status").is_in(_RETRYABLE))
    present = wanted.filter(~pl.col("is_removed"))
    is_to_enlarge = is_reduced(enlarge_to_px)
    if refresh:
        # A reduced image is fetched unconditionally: its server has no newer version of it, but a larger one.
        is_version = (pl.col("status") == Status.OK) & ~is_to_enlarge
        versions = existing.filter(is_version).select(*_KEY, *_VALIDATORS)
        todo = present.join(versions, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    else:
        todo = present.join(
            existing.filter(~is_to_enlarge), on=_KEY, how="anti", nulls_equal=True, maintain_order="left"
        )
        todo = todo.with_columns(pl.lit(None, pl.String).alias(name) for name in _VALIDATORS)
    # A record of more products than are wanted is rewritten without them.
    is_finished = todo.is_empty() and recorded.height == existing.height
    todo = todo.select(*_KEY, *_VALIDATORS)
    return ShardPlan(files, wanted.select(_KEY), existing, todo, is_finished, keeps_images=not refresh)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to fetch once, the known version of its image, and the products that show it."""

    url: str | None
    known: Validators
    product_ids: list[str]


def links_of(todo: pl.DataFrame) -> Iterator[Link]:
    """Yields the links of a plan's `todo`, in order; of several known versions the first product's is used."""
    by_url = todo.group_by("image_url", maintain_order=True).agg(pl.col(_VALIDATORS).first(), "product_id")
    for url, etag, last_modified, product_ids in by_url.select("image_url", *_VALIDATORS, "product_id").iter_rows():
        yield Link(url, Validators(etag, last_modified), product_ids)
