"""Held pictures: what other deliveries brought already need not be asked of a shop again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from catalog.images.downloading import Ending
from catalog.images.fetched import Fetched, Validators
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.picture import Picture
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


def copies_of(links: Iterable[str | None], held: pl.DataFrame | None) -> Iterator[tuple[str, Ending]]:
    """How it ended when other deliveries asked for those of the links that are `held`, their pictures read.

    A picture that is gone from its file meanwhile is left out: it has to be asked for after all.
    """
    if held is None or held.is_empty():
        return
    wanted = pl.DataFrame({"image_url": list(links)}, schema={"image_url": pl.String})
    for (path,), rows in held.join(wanted, on="image_url", how="semi").group_by("path", maintain_order=True):
        pictures = _pictures(UPath(path))
        for row in rows.iter_rows(named=True):
            data = pictures.get((row["product_id"], row["sha256"]))
            if data is not None:
                yield row["image_url"], _ending(row, data)


def _pictures(path: UPath) -> dict[tuple[str, str], bytes]:
    """The pictures of one shard file, by product and content."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        table = pq.read_table(file, schema=IMAGES_SCHEMA)
    keys = zip(table["product_id"].to_pylist(), table["sha256"].to_pylist(), strict=True)
    return dict(zip(keys, pc.struct_field(table["image"], "bytes").to_pylist(), strict=True))


def _ending(row: Mapping[str, Any], data: bytes) -> Ending:
    fetched = Fetched(
        status=Status.OK,
        http_status=row["http_status"],
        final_url=row["final_url"],
        validators=Validators(row["etag"], row["last_modified"]),
    )
    picture = Picture(data, row["width"], row["height"], row["sha256"], row["dhash"])
    return Ending(status=Status.OK, fetched=fetched, picture=picture, fetched_at=row["fetched_at"])
