"""Held pictures: what other deliveries brought already need not be asked of a shop again."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.images.statuses import Status


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """What a download makes of pictures that are held already.

    `held`: pictures of other deliveries, as `held_pictures` finds them; a link among them is copied, not asked for.
    `refresh`: whatever has ended is asked for again, on condition that it has changed where the server tells.
    """

    held: pl.DataFrame | None = None
    refresh: bool = False


def held_pictures(outcomes: pl.LazyFrame, links: pl.Series, images: UPath) -> pl.DataFrame:
    """The newest picture behind each of the links, OUTCOMES_SCHEMA and the `path` of the shard file that has it.

    `outcomes` are those of other deliveries, with the column `delivery`; `images` is the folder of the whole table.
    """
    wanted = pl.LazyFrame({"image_url": links.drop_nulls().unique()})
    found = (
        outcomes.filter(pl.col("status") == Status.OK)
        .join(wanted, on="image_url", how="semi")
        .sort("fetched_at")
        .unique("image_url", keep="last")
        .collect()
    )
    folder = str(images).rstrip("/")
    path = pl.format("{}/delivery={}/{}.parquet", pl.lit(folder), "delivery", "shard").alias("path")
    return found.select(*OUTCOMES_SCHEMA.names(), path)


def copy_held(todo: pl.DataFrame, held: pl.DataFrame | None, shard: str) -> tuple[pl.DataFrame, pl.DataFrame, pa.Table]:
    """What still has to be asked for, and the outcomes and pictures of what was found among `held`.

    A picture that is gone from its file meanwhile is asked for after all.
    """
    if held is None or held.is_empty():
        return todo, OUTCOMES_SCHEMA.to_frame(), IMAGES_SCHEMA.empty_table()
    found = todo.select("product_id", "image_url").join(
        held.rename({"product_id": "held_id"}), on="image_url", maintain_order="left"
    )
    tables = [IMAGES_SCHEMA.empty_table()]
    for (path,), part in found.group_by("path", maintain_order=True):
        tables.append(_pictures(UPath(path), part))
    copies = pa.concat_tables(tables)
    is_copied = pl.col("product_id").is_in(pl.Series(copies["product_id"].to_pylist(), dtype=pl.String).implode())
    outcomes = found.filter(is_copied).with_columns(pl.lit(shard).alias("shard"), attempts=pl.lit(0, pl.Int32))
    return todo.filter(~is_copied), outcomes.select(OUTCOMES_SCHEMA.names()).cast(OUTCOMES_SCHEMA), copies


def _pictures(path: UPath, part: pl.DataFrame) -> pa.Table:
    """The pictures of one shard file that `part` names by `held_id` and `sha256`, under their new `product_id`."""
    if not path.exists():
        return IMAGES_SCHEMA.empty_table()
    with path.open("rb") as file:
        there = pq.read_table(file, schema=IMAGES_SCHEMA)
    places = pc.index_in(
        pa.array(part["held_id"].to_list(), pa.string()), value_set=there["product_id"].combine_chunks()
    )
    is_there = pc.is_valid(places)
    taken = there.take(places.filter(is_there))
    renamed = pa.array(part["product_id"].to_list(), pa.string()).filter(is_there)
    taken = taken.set_column(0, IMAGES_SCHEMA.field("product_id"), renamed)
    wanted = pa.array(part["sha256"].to_list(), pa.string()).filter(is_there)
    return taken.filter(pc.equal(taken["sha256"], wanted)).cast(IMAGES_SCHEMA)
