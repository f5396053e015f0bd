"""Shard files: the two Parquet files of a finished shard, its pictures and then its outcomes.

The outcomes are written last, so a shard with outcomes is whole, and one without has to be downloaded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.files import read_if_there, remove_abandoned, replace_file, write_parquet
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.picture import Picture
from catalog.images.statuses import Status

# The struct is how Hugging Face datasets lays out an Image.
IMAGES_SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
    ]
)


@dataclass(frozen=True)
class ShardFiles:
    """Where one shard of a delivery lies: a file of the same name in the folder of each table."""

    images: UPath
    outcomes: UPath
    index: int

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}"

    def read_outcomes(self) -> pl.DataFrame:
        """The outcomes held; none where the shard was never finished or its pictures have been lost."""
        content = read_if_there(self.outcomes / f"{self.name}.parquet")
        if content is None:
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        # A record of an earlier version may lack a column that this one has.
        held = pl.concat([OUTCOMES_SCHEMA.to_frame(), pl.read_parquet(content)], how="diagonal")
        if (held["status"] == Status.OK).any() and not self._images_path.exists():
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        return held

    def read_pictures(self) -> pa.Table:
        """The pictures held, as a table of IMAGES_SCHEMA."""
        content = read_if_there(self._images_path)
        if content is None:
            return IMAGES_SCHEMA.empty_table()
        return pq.read_table(pa.BufferReader(content), schema=IMAGES_SCHEMA)

    def write(self, outcomes: pl.DataFrame, pictures: pa.Table) -> None:
        """Finishes the shard: the pictures first, the outcomes last, each file replaced as a whole."""
        if pictures.num_rows:
            with replace_file(self._images_path) as file:
                # Bytes of JPEGs neither compress nor repeat.
                pq.write_table(
                    pictures, file, compression="none", use_dictionary=False, write_statistics=["product_id"]
                )
        else:
            self._images_path.unlink(missing_ok=True)
        write_parquet(outcomes, self.outcomes / f"{self.name}.parquet")

    @property
    def _images_path(self) -> UPath:
        return self.images / f"{self.name}.parquet"


def pictures_table(pictures: Mapping[str, Picture]) -> pa.Table:
    """Pictures by product_id as a table of IMAGES_SCHEMA; the path in it names the content, not a place."""
    return pa.Table.from_arrays(
        [
            pa.array(pictures.keys(), pa.string()),
            pa.array(
                [{"bytes": each.data, "path": f"{each.sha256}.jpg"} for each in pictures.values()],
                IMAGES_SCHEMA.field("image").type,
            ),
            pa.array([each.width for each in pictures.values()], pa.int32()),
            pa.array([each.height for each in pictures.values()], pa.int32()),
            pa.array([each.sha256 for each in pictures.values()], pa.string()),
        ],
        schema=IMAGES_SCHEMA,
    )


def remove_surplus(images: UPath, outcomes: UPath, num_shards: int) -> None:
    """Removes the shards of an older, larger version of a delivery that now has `num_shards`, and what kills left."""
    kept = {f"{ShardFiles(images, outcomes, index).name}.parquet" for index in range(num_shards)}
    for folder in (outcomes, images):
        if folder.exists():
            for path in folder.glob("shard-*.parquet"):
                if path.name not in kept:
                    path.unlink()
            remove_abandoned(folder)
