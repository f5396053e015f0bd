"""Shard merging: the results of a shard's links and what the shard has already, as the rows and images to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Validators
from catalog.images.outcomes import OUTCOMES_SCHEMA, Outcome, outcomes_table
from catalog.images.shard_files import IMAGES_SCHEMA, ShardFiles, images_table
from catalog.images.statuses import RETRYABLE, Status, values
from catalog.images.stored_image import StoredImage

_RETRYABLE = values(RETRYABLE)
_COLUMNS = OUTCOMES_SCHEMA.names()
# Products whose image is that of another product of their link (or their own), and when the server said so.
_UNCHANGED = pl.Schema({"product_id": pl.String(), "source": pl.String(), "fetched_at": pl.Datetime("us", "UTC")})


class FetchedLink(NamedTuple):
    """A link that was fetched, the version that was known of its image, the products that show it, and the result."""

    url: str | None
    known: Validators
    product_ids: list[str]
    result: DownloadResult


@dataclass(frozen=True)
class ShardBefore:
    """A shard before its results are merged: its files, all its products in order, and the outcomes that it has.

    With `keeps_images`, an image stays whatever its link ends in now, unless in another image.
    """

    files: ShardFiles
    products: pl.DataFrame
    existing: pl.DataFrame
    keeps_images: bool


def merged(shard: ShardBefore, links: Sequence[FetchedLink]) -> tuple[pl.DataFrame, pa.Table]:
    """Returns the outcomes of a shard, in the order of its products, and the images of those that are ok.

    A refetched image stays as it is where the refetch failed (a retryable status, or any with `keeps_images`). A link
    that ended in OK without an image has not changed: all of its products get the image that one of them has.

    Raises:
        LookupError: an existing image is no longer in its file, or another one is.
        RuntimeError: a product would lose its row.
    """
    versions = _versions(shard.existing)
    fetched: list[Outcome] = []
    images: dict[str, StoredImage] = {}
    unchanged: list[tuple[str, str, datetime]] = []
    for url, known, product_ids, fetched_result in links:
        result = fetched_result
        if result.status is Status.OK and result.image is None:
            if source := versions.get((url, known)) or versions.get((url, None)):
                unchanged += [(product_id, source, result.fetched_at) for product_id in product_ids]
                continue
            # The image that was unchanged when the link was fetched is lost since; the next run fetches it.
            result = replace(result, status=Status.HTTP_ERROR)
        for product_id in product_ids:
            fetched.append(result.outcome(product_id, url, shard.files.name))
            if result.image:
                images[product_id] = result.image
    same = pl.DataFrame(unchanged, schema=_UNCHANGED, orient="row")
    outcomes = _merged_outcomes(shard, outcomes_table(fetched), same)
    expected = {product_id for link in links for product_id in link.product_ids} | {*shard.existing["product_id"]}
    if outcomes.height != len(expected):
        lost = min(expected - {*outcomes["product_id"]}, default="")
        raise RuntimeError(
            f"{outcomes.height} outcomes for the {len(expected)} products of {shard.files.name} in "
            f"{shard.files.outcomes}; {lost!r} would lose its row: report this as a bug"
        )
    sources = dict(zip(same["product_id"], same["source"], strict=True))
    return outcomes, _merged_images(shard, outcomes, sources, images)


def _versions(existing: pl.DataFrame) -> dict[tuple[str | None, Validators | None], str]:
    """A product that has the image of each link in the version that the server named, and in any (None)."""
    found: dict[tuple[str | None, Validators | None], str] = {}
    stored = existing.filter(pl.col("status") == Status.OK).sort("fetched_at", descending=True, nulls_last=True)
    columns = ("product_id", "image_url", "etag", "last_modified")
    for product_id, url, etag, last_modified in stored.select(columns).iter_rows():
        found.setdefault((url, Validators(etag, last_modified)), product_id)
        found.setdefault((url, None), product_id)
    return found


def _merged_outcomes(shard: ShardBefore, fetched: pl.DataFrame, same: pl.DataFrame) -> pl.DataFrame:
    """The outcome of each product that has one, in order; `same` names the source of unchanged ones."""
    existing_ok = shard.existing.filter(pl.col("status") == Status.OK)["product_id"]
    is_failed = pl.col("status") != Status.OK if shard.keeps_images else pl.col("status").is_in(_RETRYABLE)
    is_in_vain = is_failed & pl.col("product_id").is_in(existing_ok.implode())
    described = shard.existing.drop("fetched_at").rename({"product_id": "source"})
    unchanged = same.join(described, on="source", how="left", validate="m:1").select(_COLUMNS)
    new = pl.concat([fetched.filter(~is_in_vain).select(_COLUMNS), unchanged])
    kept = shard.existing.join(new, on="product_id", how="anti").select(_COLUMNS)
    outcomes = pl.concat([kept, new])
    order = shard.products.select("product_id")
    return order.join(outcomes, on="product_id", validate="1:1", maintain_order="left").select(_COLUMNS)


def _merged_images(
    shard: ShardBefore, outcomes: pl.DataFrame, sources: Mapping[str, str], new: Mapping[str, StoredImage]
) -> pa.Table:
    """The images of these outcomes in their order: new ones, those of their source, or the existing ones."""
    ok = outcomes.filter(pl.col("status") == Status.OK).select("product_id", "sha256")
    ids = ok["product_id"].to_list()
    found = images_table(new)
    if not new.keys() >= set(ids):
        old = shard.files.read_images(shard.existing)
        is_new = pc.is_in(old["product_id"], value_set=found["product_id"].combine_chunks())
        found = pa.concat_tables([found, old.filter(pc.invert(is_new))])
    wanted = pa.array([sources.get(each, each) for each in ids], pa.string())
    positions = pc.index_in(wanted, value_set=found["product_id"].combine_chunks())
    if positions.null_count:
        lost = ids[pc.index(pc.is_null(positions), True).as_py()]
        raise LookupError(f"image of {lost!r} is neither fetched nor in {shard.files.images}; remove its outcomes")
    images = found.take(positions).set_column(0, IMAGES_SCHEMA.field(0), pa.array(ids, pa.string()))
    for product_id, recorded, stored in zip(ids, ok["sha256"], images["sha256"].to_pylist(), strict=True):
        if recorded != stored:
            raise LookupError(
                f"image of {product_id!r} in {shard.files.images} is {stored}, but its outcome was recorded for "
                f"{recorded}; remove {str(shard.files.outcomes_path)!r} to fetch the shard again"
            )
    return images.cast(IMAGES_SCHEMA)
