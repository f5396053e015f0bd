"""Shard plans: what one shard of a delivery holds already, what it still needs, and how both come together.

Whatever engine fetches, it is given `todo` and hands the end of each of its links to `conclude`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from catalog.images.downloading import Ending
from catalog.images.fetched import Validators
from catalog.images.outcomes import OUTCOMES_SCHEMA, outcomes_table
from catalog.images.shard_files import IMAGES_SCHEMA, ShardFiles, pictures_table
from catalog.images.statuses import Status

RETRYABLE = [status.value for status in Status if status.retryable]

_KEY = ["product_id", "image_url"]
_VALIDATORS = ["etag", "last_modified"]


@dataclass(frozen=True)
class ShardPlan:
    """One shard's work.

    `wanted` is every product of the shard, in order, (product_id, image_url). `held` has the outcomes that stand
    unless a better one comes. `todo` is what has to be asked for, (product_id, image_url, etag, last_modified).
    """

    files: ShardFiles
    wanted: pl.DataFrame
    held: pl.DataFrame
    todo: pl.DataFrame
    is_finished: bool

    def conclude(self, endings: Mapping[str | None, Ending]) -> None:
        """Writes the shard: how it ended with each link of `todo`, beside what is held."""
        links, shard = list(links_of(self.todo)), self.files.name
        outcomes = outcomes_table(
            endings[link.url].outcome(each, link.url, shard) for link in links for each in link.product_ids
        )
        pictures = {
            each: picture for link in links if (picture := endings[link.url].picture) for each in link.product_ids
        }
        self.finish(outcomes, pictures_table(pictures))

    def finish(self, fetched: pl.DataFrame, pictures: pa.Table) -> None:
        """Writes the shard: what was fetched (OUTCOMES_SCHEMA, IMAGES_SCHEMA) beside what is held.

        A question again whether a held picture has changed leaves it in place if nothing was learnt (a retryable
        status) or nothing has changed (ok without a picture).
        """
        held_ok = self.held.filter(pl.col("status") == Status.OK)
        is_in_vain = pl.col("status").is_in(RETRYABLE) & pl.col("product_id").is_in(held_ok["product_id"].implode())
        is_unchanged = (pl.col("status") == Status.OK) & pl.col("sha256").is_null()
        unchanged = fetched.filter(is_unchanged).select("product_id", "fetched_at")
        new = fetched.filter(~is_in_vain & ~is_unchanged)
        kept = self.held.join(new, on="product_id", how="anti").update(unchanged, on="product_id")
        merged = pl.concat([kept.select(OUTCOMES_SCHEMA.names()), new.select(OUTCOMES_SCHEMA.names())])
        outcomes = self.wanted.select("product_id").join(merged, on="product_id", maintain_order="left")
        ids = outcomes.filter(pl.col("status") == Status.OK)["product_id"]
        self.files.write(outcomes.select(OUTCOMES_SCHEMA.names()), self._pictures_of(ids, pictures))

    def _pictures_of(self, product_ids: pl.Series, new: pa.Table) -> pa.Table:
        """The pictures of these products in this order, the new ones first of all."""
        wanted = pa.array(product_ids.to_list(), pa.string())
        if pc.all(pc.is_in(wanted, value_set=new["product_id"])).as_py() is False:
            old = self.files.read_pictures()
            is_new = pc.is_in(old["product_id"], value_set=new["product_id"])
            new = pa.concat_tables([new, old.filter(pc.invert(is_new))])
        places = pc.index_in(wanted, value_set=new["product_id"].combine_chunks())
        if places.null_count:
            lost = product_ids[pc.index(pc.is_null(places), True).as_py()]
            raise LookupError(f"picture of {lost!r} is neither fetched nor in {self.files.images}; remove its outcomes")
        return new.take(places).cast(IMAGES_SCHEMA)


def plan_shards(
    products: pl.DataFrame, *, images: UPath, outcomes: UPath, shard_rows: int, refresh: bool
) -> list[ShardPlan]:
    """The plans of a delivery's shards, each of `shard_rows` products in their order.

    Columns product_id and image_url; a product whose `is_removed` is true is not asked for any more. With `refresh`,
    whatever has ended is asked for again, on condition that it has changed where the server names its versions.
    Raises ValueError for a product_id that appears twice.
    """
    if "is_removed" not in products.columns:
        products = products.with_columns(is_removed=pl.lit(False))
    wanted = products.select(pl.col("product_id", "image_url").cast(pl.String), pl.col("is_removed").cast(pl.Boolean))
    twice = wanted.filter(pl.col("product_id").is_duplicated())
    if not twice.is_empty():
        raise ValueError(f"product_id {twice['product_id'][0]!r} appears twice; reject or rename one of its rows")
    slices: Sequence[pl.DataFrame] = list(wanted.iter_slices(shard_rows)) if wanted.height else []
    return [_plan(ShardFiles(images, outcomes, index), part, refresh) for index, part in enumerate(slices)]


def _plan(files: ShardFiles, wanted: pl.DataFrame, refresh: bool) -> ShardPlan:
    recorded = files.read_outcomes()
    still_wanted = recorded.join(wanted, on=_KEY, how="semi", nulls_equal=True)
    held = still_wanted.filter(~pl.col("status").is_in(RETRYABLE))
    present = wanted.filter(~pl.col("is_removed"))
    if refresh:
        versions = held.filter(pl.col("status") == Status.OK).select(*_KEY, *_VALIDATORS)
        todo = present.join(versions, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    else:
        todo = present.join(held, on=_KEY, how="anti", nulls_equal=True, maintain_order="left")
        todo = todo.with_columns(pl.lit(None, pl.String).alias(name) for name in _VALIDATORS)
    # A record of more products than are wanted is rewritten without them.
    is_finished = todo.is_empty() and recorded.height == held.height
    return ShardPlan(files, wanted.select(_KEY), held, todo.select(*_KEY, *_VALIDATORS), is_finished)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to be asked for once, the version of its picture that is known, and the products that show it."""

    url: str | None
    known: Validators
    product_ids: list[str]


def links_of(todo: pl.DataFrame) -> Iterator[Link]:
    """The links of a plan's `todo`, in order; of several known versions the first product's counts."""
    by_url = todo.group_by("image_url", maintain_order=True).agg(pl.col(_VALIDATORS).first(), "product_id")
    for url, etag, last_modified, product_ids in by_url.select("image_url", *_VALIDATORS, "product_id").iter_rows():
        yield Link(url, Validators(etag, last_modified), product_ids)
