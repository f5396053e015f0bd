"""Examples of the dataset: its rows with their images, read in a stream, one pass over the image shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.images.shard_files import image_paths
from catalog.storage.tables import table_of

SPLITS = ("train", "val", "test", "golden")
ROW_COLUMNS = (
    *("product_id", "partner_id", "delivery", "shard", "sha256", "group_id", "split", "category_id"),
    *LEVEL_COLUMNS,
)
_IMAGES_AT_ONCE = 128
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class DatasetFilter:
    """The rows to export: those of `splits`, with a label unless `with_unlabeled`."""

    splits: tuple[str, ...] = SPLITS
    with_unlabeled: bool = False

    def kept(self) -> pl.Expr:
        """The condition of the rows."""
        return pl.col("split").is_in(self.splits) & (pl.lit(self.with_unlabeled) | labeled)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row of the dataset and its image, a JPEG; `label` is the index of its class, None without a label."""

    product_id: str
    partner_id: str
    group_id: str
    split: str
    image: bytes
    width: int
    height: int
    sha256: str
    label: int | None
    category_id: int | None
    path: str | None
    levels: tuple[int, ...] | None


@dataclass(frozen=True)
class ClassNames:
    """The classes of a dataset: categories of level 4 that label some row, ordered by path."""

    category_ids: tuple[int, ...]
    paths: tuple[str, ...]


def dataset_rows(store: UPath) -> pl.LazyFrame:
    """Returns the table dataset, to be read lazily; FileNotFoundError where there is none."""
    files = sorted(str(path) for path in store.glob(table_of("dataset").files))
    if not files:
        raise FileNotFoundError("table 'dataset' is empty; materialize the asset 'dataset' first")
    return pl.scan_parquet(files, glob=False).select(ROW_COLUMNS)


def class_names(store: UPath) -> ClassNames:
    """Returns the classes of the whole dataset: the same for every selection of its rows.

    Raises:
        LookupError: the table taxonomy lacks one of them.
    """
    labels = dataset_rows(store).filter(labeled).select(category_id="level_4").unique()
    files = sorted(str(path) for path in store.glob(table_of("taxonomy").files))
    if not files:
        raise FileNotFoundError("table 'taxonomy' is empty; materialize the asset 'taxonomy' first")
    paths = pl.scan_parquet(files, glob=False).select("category_id", "path")
    classes = labels.join(paths, on="category_id", how="left").sort("path", "category_id").collect()
    if classes["path"].null_count():
        lost = classes.filter(pl.col("path").is_null())["category_id"][0]
        raise LookupError(f"category {lost} of the dataset is not in the taxonomy; materialize dataset again")
    return ClassNames(tuple(classes["category_id"]), tuple(classes["path"]))


def examples(store: UPath, rows: pl.LazyFrame, classes: ClassNames) -> Iterator[Example]:
    """Yields each row with its image, ordered by delivery and shard; only a shard's rows and few images are in memory.

    Raises:
        LookupError: an image is missing, or another one than the dataset was built with.
    """
    labels = {category_id: number for number, category_id in enumerate(classes.category_ids)}
    for delivery in rows.select(pl.col("delivery").unique().sort()).collect(engine="streaming")["delivery"]:
        own = rows.filter(delivery=delivery).collect(engine="streaming")
        for (shard,), in_shard in sorted(own.partition_by("shard", as_dict=True).items()):
            wanted = {row["product_id"]: row for row in in_shard.iter_rows(named=True)}
            paths = image_paths(store / table_of("images").folder(delivery), shard)
            for batch in chain.from_iterable(_image_batches(path) for path in paths):
                for stored in batch.to_pylist():
                    row = wanted.get(stored["product_id"])
                    if row is not None and row["sha256"] == sha256(stored["image"]["bytes"]).hexdigest():
                        yield _example(wanted.pop(stored["product_id"]), stored, labels, classes.paths)
            if wanted:
                raise LookupError(
                    f"image of {next(iter(wanted))!r} is not in {paths[-1]}, or is another one; "
                    f"materialize images[{delivery}] and dataset again"
                )


def _image_batches(path: UPath) -> Iterator[pa.RecordBatch]:
    if not path.exists():
        return
    with path.open("rb") as file, pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False) as shard:
        names = ["product_id", "image.bytes", "width", "height", "sha256"]
        yield from shard.iter_batches(batch_size=_IMAGES_AT_ONCE, columns=names)


def _example(row: dict[str, Any], stored: dict[str, Any], labels: Mapping[int, int], paths: Sequence[str]) -> Example:
    levels = tuple(row[name] for name in LEVEL_COLUMNS)
    label = labels.get(levels[-1])
    return Example(
        **{name: row[name] for name in ("product_id", "partner_id", "group_id", "split", "sha256", "category_id")},
        image=stored["image"]["bytes"],
        width=stored["width"],
        height=stored["height"],
        label=label,
        path=None if label is None else paths[label],
        levels=None if label is None else levels,
    )
