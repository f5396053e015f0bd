"""Shard files: the two Parquet files of a finished shard, its images and then its outcomes.

The outcomes are written last, so a shard with outcomes is complete, and one without is downloaded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from catalog.storage.files import read_if_exists, remove_abandoned, replace_file, write_parquet

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
    """The files of one shard of a delivery: one of the same name in the folder of each table."""

    images: UPath
    outcomes: UPath
    index: int

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}"

    def read_outcomes(self) -> pl.DataFrame:
        """Reads the outcomes; returns none where the shard was never finished or its images are lost."""
        content = read_if_exists(self.outcomes / f"{self.name}.parquet")
        if content is None:
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        # A record of an earlier version may lack a column that this one has.
        recorded = pl.concat([OUTCOMES_SCHEMA.to_frame(), pl.read_parquet(content)], how="diagonal")
        if (recorded["status"] == Status.OK).any() and not self._images_path.exists():
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        return recorded

    def read_images(self) -> pa.Table:
        """Reads the images, as a table of IMAGES_SCHEMA."""
        content = read_if_exists(self._images_path)
        if content is None:
            return IMAGES_SCHEMA.empty_table()
        return pq.read_table(pa.BufferReader(content), schema=IMAGES_SCHEMA)

    def write(self, outcomes: pl.DataFrame, images: pa.Table) -> None:
        """Writes the images first and the outcomes last, each file replaced atomically."""
        if images.num_rows:
            with replace_file(self._images_path) as file:
                # JPEGs neither compress nor repeat.
                pq.write_table(images, file, compression="none", use_dictionary=False, write_statistics=["product_id"])
        else:
            self._images_path.unlink(missing_ok=True)
        write_parquet(outcomes, self.outcomes / f"{self.name}.parquet")

    @property
    def _images_path(self) -> UPath:
        return self.images / f"{self.name}.parquet"


def images_table(images: Mapping[str, StoredImage]) -> pa.Table:
    """Converts images by product_id to a table of IMAGES_SCHEMA; the path in it names the content, not a file."""
    return pa.Table.from_arrays(
        [
            pa.array(images.keys(), pa.string()),
            pa.array(
                [{"bytes": each.data, "path": f"{each.sha256}.jpg"} for each in images.values()],
                IMAGES_SCHEMA.field("image").type,
            ),
            pa.array([each.width for each in images.values()], pa.int32()),
            pa.array([each.height for each in images.values()], pa.int32()),
            pa.array([each.sha256 for each in images.values()], pa.string()),
        ],
        schema=IMAGES_SCHEMA,
    )


def remove_surplus(images: UPath, outcomes: UPath, num_shards: int) -> None:
    """Removes the shards beyond `num_shards` of an older version of a delivery, and unfinished files of killed runs."""
    kept = {f"{ShardFiles(images, outcomes, index).name}.parquet" for index in range(num_shards)}
    for folder in (outcomes, images):
        if folder.exists():
            for path in folder.glob("shard-*.parquet"):
                if path.name not in kept:
                    path.unlink()
            remove_abandoned(folder)
