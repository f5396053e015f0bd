"""Shard files: the two Parquet files of a finished shard, its images and its outcomes, written as one commit.

The file of images is named after its content, as `shard-00012-0123456789abcdef.parquet`. The outcomes, whose file is
replaced in place, name it in their column `shard`: replacing them is the commit. A process that is killed before it
leaves the former outcomes with the former images; one that is killed after it leaves the new ones with the new. Files
of images that no outcomes name are removed at the end of a download.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from catalog.storage.durable import sync_folder
from catalog.storage.files import is_remote, read_if_exists, remove_abandoned, replace_file, write_parquet

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
_KEY_LENGTH = 16  # of the hash in a file's name
_IS_OK = pl.col("status") == Status.OK


@dataclass(frozen=True)
class ShardFiles:
    """The files of one shard of a delivery, in the folder of each table."""

    images: UPath
    outcomes: UPath
    index: int

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}"

    @property
    def outcomes_path(self) -> UPath:
        return self.outcomes / f"{self.name}.parquet"

    def read_outcomes(self) -> pl.DataFrame:
        """Reads the outcomes; returns none where the shard was never finished or its images are lost."""
        content = read_if_exists(self.outcomes_path)
        if content is None:
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        # A record of an earlier version may lack a column that this one has.
        recorded = pl.concat([OUTCOMES_SCHEMA.to_frame(), pl.read_parquet(content)], how="diagonal")
        if not all((self.images / f"{name}.parquet").exists() for name in image_files_of(recorded)):
            return pl.DataFrame(schema=OUTCOMES_SCHEMA)
        return recorded

    def read_images(self, outcomes: pl.DataFrame) -> pa.Table:
        """Reads the images that these outcomes name, as a table of IMAGES_SCHEMA."""
        contents = [read_if_exists(self.images / f"{name}.parquet") for name in image_files_of(outcomes)]
        tables = [pq.read_table(pa.BufferReader(each), schema=IMAGES_SCHEMA) for each in contents if each is not None]
        return pa.concat_tables([IMAGES_SCHEMA.empty_table(), *tables])

    def write(self, outcomes: pl.DataFrame, images: pa.Table) -> str | None:
        """Writes the images and then, as the commit, the outcomes that name their file; returns that name."""
        name = f"{self.name}-{_content_key(images)}" if images.num_rows else None
        if name is not None:
            with replace_file(self.images / f"{name}.parquet") as file:
                # JPEGs neither compress nor repeat.
                pq.write_table(images, file, compression="none", use_dictionary=False, write_statistics=["product_id"])
        named = outcomes.with_columns(shard=pl.when(_IS_OK).then(pl.lit(name, pl.String)))
        write_parquet(named, self.outcomes_path)
        return name


def image_files_of(outcomes: pl.DataFrame) -> list[str]:
    """Returns the names, without suffix, of the files that contain the images of these outcomes."""
    return outcomes.filter(_IS_OK)["shard"].drop_nulls().unique().sort().to_list()


def image_paths(images: UPath, shard: str) -> list[UPath]:
    """Returns the files in which the images of a shard may be, by its name in the column `shard`.

    It is one file, unless the shard was written again since that name was read: then those of its newer versions.

    Args:
        images: the delivery's folder of the images table.
        shard: the name of the file.
    """
    path = images / f"{shard}.parquet"
    if path.exists() or not images.exists():
        return [path]
    plain = _shard_of(shard)
    return sorted([*images.glob(f"{plain}.parquet"), *images.glob(f"{plain}-*.parquet")], key=str) or [path]


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


def remove_surplus(
    images: UPath, outcomes: UPath, *, num_shards: int, named: Iterable[str], former: Iterable[str]
) -> None:
    """Removes the shards beyond `num_shards` of an older version of a delivery, and files that no outcomes name.

    Where the store is remote, another machine may be about to name a file, so only these are removed there.

    Args:
        images: the delivery's folder of the images table.
        outcomes: the delivery's folder of the outcomes table.
        num_shards: of the delivery now.
        named: the files of images (without suffix) that its outcomes name now.
        former: those that they named before this download.
    """
    kept = {f"shard-{index:05d}" for index in range(num_shards)}
    named, former = set(named), set(former)
    # The outcomes first: until they are gone, they name their images.
    _remove(outcomes, lambda name: name not in kept)
    everything = not is_remote(images)
    _remove(
        images,
        lambda name: name not in named and (everything or name in former or _shard_of(name) not in kept),
    )


def _remove(folder: UPath, is_surplus: Callable[[str], bool]) -> None:
    if not folder.exists():
        return
    surplus = [path for path in folder.glob("shard-*.parquet") if is_surplus(path.stem)]
    for path in surplus:
        path.unlink(missing_ok=True)
    if surplus and not is_remote(folder):
        sync_folder(Path(folder.path))
    remove_abandoned(folder)


def _shard_of(name: str) -> str:
    """Returns a shard's name without the hash of its content."""
    return "-".join(name.split("-")[:2])


def _content_key(images: pa.Table) -> str:
    """A hash of whose images they are, in order."""
    digest = sha256()
    for column in ("product_id", "sha256"):
        for value in images[column].to_pylist():
            digest.update(len(value.encode()).to_bytes(4, "little") + value.encode())
    return digest.hexdigest()[:_KEY_LENGTH]
