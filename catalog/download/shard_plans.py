"""Shard plans: the outcomes that each shard of a delivery has already, the links it still needs, and their merge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Validators
from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, is_reduced, outcomes_table
from catalog.images.shard_files import IMAGES_SCHEMA, ShardFiles, images_table
from catalog.images.statuses import RETRYABLE, Status, values
from catalog.images.stored_image import StoredImage

_KEY = ["product_id", "image_url"]
_VALIDATORS = ["etag", "last_modified"]
_RETRYABLE = values(RETRYABLE)
# Products whose image is that of another product of their link (or their own), and when the server said so.
_UNCHANGED = {"product_id": pl.String, "source": pl.String, "fetched_at": pl.Datetime("us", "UTC")}


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
        """Writes the shard: the results of all links of `todo`, merged with what exists.

        A refetched image stays as it is where the refetch failed (a retryable status, or any with `keeps_images`). A
        link that ended in OK without an image has not changed: all of its products get the image that one of them has.

        Raises:
            LookupError: an existing image is no longer in its file, or another one is.
            RuntimeError: a product would lose its row.
        """
        versions = self._versions()
        fetched: list[Outcome] = []
        images: dict[str, StoredImage] = {}
        unchanged: list[tuple[str, str, datetime]] = []
        for link in links_of(self.todo):
            result = results[link.url]
            if result.status is Status.OK and result.image is None:
                if source := versions.get((link.url, link.known)) or versions.get((link.url, None)):
                    unchanged += [(product_id, source, result.fetched_at) for product_id in link.product_ids]
                    continue
                # The image that was unchanged when the link was fetched is lost since; the next run fetches it.
                result = replace(result, status=Status.HTTP_ERROR)
            for product_id in link.product_ids:
                fetched.append(result.outcome(product_id, link.url, self.files.name))
                if result.image:
                    images[product_id] = result.image
        same = pl.DataFrame(unchanged, schema=_UNCHANGED, orient="row")
        outcomes = self._merged(outcomes_table(fetched), same)
        self.files.write(
            outcomes, self._images_of(outcomes, dict(same.select("product_id", "source").iter_rows()), images)
        )

    def _versions(self) -> dict[tuple[str | None, Validators | None], str]:
        """A product that has the image of each link in the version that the server named, and in any (None)."""
        found: dict[tuple[str | None, Validators | None], str] = {}
        stored = self.existing.filter(pl.col("status") == Status.OK).sort(
            "fetched_at", descending=True, nulls_last=True
        )
        for product_id, url, etag, last_modified in stored.select(*_KEY, *_VALIDATORS).iter_rows():
            found.setdefault((url, Validators(etag, last_modified)), product_id)
            found.setdefault((url, None), product_id)
        return found

    def _merged(self, fetched: pl.DataFrame, same: pl.DataFrame) -> pl.DataFrame:
        """The outcome of each product of the shard that has one, in order; `same` names the source of unchanged ones."""
        existing_ok = self.existing.filter(pl.col("status") == Status.OK)["product_id"]
        is_failed = pl.col("status") != Status.OK if self.keeps_images else pl.col("status").is_in(_RETRYABLE)
        is_in_vain = is_failed & pl.col("product_id").is_in(existing_ok.implode())
        columns = OUTCOMES_SCHEMA.names()
        described = self.existing.drop("fetched_at").rename({"product_id": "source"})
        unchanged = same.join(described, on="source", how="left", validate="m:1").select(columns)
        new = pl.concat([fetched.filter(~is_in_vain).select(columns), unchanged])
        kept = self.existing.join(new, on="product_id", how="anti").select(columns)
        merged = pl.concat([kept, new])
        ordered = self.products.select("product_id").join(
            merged, on="product_id", how="inner", validate="1:1", maintain_order="left"
        )
        expected = pl.concat([self.existing["product_id"], self.todo["product_id"]]).unique()
        if ordered.height != expected.len():
            lost = expected.filter(~expected.is_in(ordered["product_id"].implode()))
            raise RuntimeError(
                f"{ordered.height} outcomes for the {expected.len()} products of {self.files.name} in "
                f"{self.files.outcomes}; {lost.first()!r} would lose its row: report this as a bug"
            )
        return ordered.select(columns)

    def _images_of(
        self, outcomes: pl.DataFrame, sources: Mapping[str, str], new: Mapping[str, StoredImage]
    ) -> pa.Table:
        """The images of these outcomes in their order: new ones, those of their source, or the existing ones."""
        ok = outcomes.filter(pl.col("status") == Status.OK).select("product_id", "sha256")
        ids = ok["product_id"].to_list()
        found = images_table(new)
        if not new.keys() >= set(ids):
            old = self.files.read_images(self.existing)
            is_new = pc.is_in(old["product_id"], value_set=found["product_id"].combine_chunks())
            found = pa.concat_tables([found, old.filter(pc.invert(is_new))])
        wanted = pa.array([sources.get(each, each) for each in ids], pa.string())
        positions = pc.index_in(wanted, value_set=found["product_id"].combine_chunks())
        if positions.null_count:
            lost = ids[pc.index(pc.is_null(positions), True).as_py()]
            raise LookupError(f"image of {lost!r} is neither fetched nor in {self.files.images}; remove its outcomes")
        images = found.take(positions).set_column(0, IMAGES_SCHEMA.field(0), pa.array(ids, pa.string()))
        for product_id, recorded, stored in zip(ids, ok["sha256"], images["sha256"].to_pylist(), strict=True):
            if recorded != stored:
                raise LookupError(
                    f"image of {product_id!r} in {self.files.images} is {stored}, but its outcome was recorded for "
                    f"{recorded}; remove {str(self.files.outcomes_path)!r} to fetch the shard again"
                )
        return images.cast(IMAGES_SCHEMA)


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
