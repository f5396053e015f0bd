"""Dataset export: images, labels and splits as a Hugging Face dataset, WebDataset or TFRecord, to one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
from upath import UPath

from catalog.exports.examples import SPLITS, ClassNames, DatasetFilter, class_names, dataset_rows, examples
from catalog.exports.huggingface import SPLIT_NAMES, ParquetSink, schema_of, write_card
from catalog.exports.shards import Shards
from catalog.exports.targets import MANIFEST, replaced_folder
from catalog.exports.tfrecord import TFRecordSink
from catalog.exports.webdataset import TarSink

CLASSES_FILE = "classes.json"
Report = Callable[[int, int], None]  # the rows that are done, and all of them
_REPORT_EVERY = 1_000  # rows


@dataclass(frozen=True, kw_only=True)
class DatasetFolder:
    """The folder of an export while it is written."""

    path: Path
    classes: ClassNames
    max_shard_bytes: int


def _huggingface_shards(folder: DatasetFolder, split: str) -> Shards:
    schema, name = schema_of(folder.classes), SPLIT_NAMES.get(split, split)
    return Shards(
        folder.path / "data",
        lambda file, _: ParquetSink(file, schema),
        lambda number, of: f"{name}-{number:05d}-of-{of:05d}.parquet",
        folder.max_shard_bytes,
    )


def _tar_shards(folder: DatasetFolder, split: str) -> Shards:
    return Shards(folder.path, TarSink, lambda number, _: f"{split}-{number:06d}.tar", folder.max_shard_bytes)


def _tfrecord_shards(folder: DatasetFolder, split: str) -> Shards:
    return Shards(
        folder.path,
        lambda file, _: TFRecordSink(file),
        lambda number, of: f"{split}-{number:05d}-of-{of:05d}.tfrecord",
        folder.max_shard_bytes,
    )


DATASET_FORMATS: Mapping[str, Callable[[DatasetFolder, str], Shards]] = MappingProxyType(
    {"huggingface": _huggingface_shards, "webdataset": _tar_shards, "tfrecord": _tfrecord_shards}
)


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """The options of an export: a format of `DATASET_FORMATS`, the size of a shard, and the rows."""

    dataset_format: str
    max_shard_bytes: int = 500_000_000
    selection: DatasetFilter = field(default_factory=DatasetFilter)

    def __post_init__(self) -> None:
        if self.max_shard_bytes < 1:
            raise ValueError(f"shards of {self.max_shard_bytes:,} bytes hold nothing; give a size of at least 1 byte")


def export_dataset(store: UPath, folder: Path, options: DatasetOptions, report: Report) -> dict[str, Any]:
    """Writes the dataset into a folder, which is replaced as a whole, and returns a record of the export.

    Beside the shards, `classes.json` has the category of each class, in the order of the labels.

    Raises:
        FileExistsError: the folder has other content than an export.
        FileNotFoundError: there is no dataset.
        LookupError: an image or a category of the dataset is missing.
        StoreNotWritableError: the folder cannot be written; an earlier export is unchanged.
        ValueError: no row is selected.
    """
    rows = dataset_rows(store).filter(options.selection.kept())
    num_rows = int(rows.select(pl.len()).collect(engine="streaming").item())
    if not num_rows:
        chosen = ", ".join(options.selection.splits)
        raise ValueError(f"the dataset has no labeled row in {chosen}; choose other splits, or add unlabeled rows")
    classes = class_names(store)
    with replaced_folder(folder) as unfinished, ExitStack() as failing:
        place = DatasetFolder(path=unfinished, classes=classes, max_shard_bytes=options.max_shard_bytes)
        shards = {split: DATASET_FORMATS[options.dataset_format](place, split) for split in options.selection.splits}
        for each in shards.values():
            failing.callback(each.abort)
        for done, example in enumerate(examples(store, rows, classes), start=1):
            shards[example.split].write(example)
            if done % _REPORT_EVERY == 0 or done == num_rows:
                report(done, num_rows)
        files = {split: each.finish() for split, each in shards.items()}
        written = [split for split in SPLITS if files.get(split)]
        record = {
            "folder": str(folder),
            "format": options.dataset_format,
            "rows": {split: shards[split].num_examples for split in written},
            "files": sum(map(len, files.values())),
            "classes": len(classes.paths),
        }
        _write_facts(unfinished, record, classes)
        if options.dataset_format == "huggingface":
            write_card(unfinished, written)
    return record


def _write_facts(folder: Path, record: Mapping[str, Any], classes: ClassNames) -> None:
    (folder / MANIFEST).write_text(json.dumps(record, indent=2))
    named = [
        {"label": label, "category_id": category_id, "path": path}
        for label, (category_id, path) in enumerate(zip(classes.category_ids, classes.paths, strict=True))
    ]
    (folder / CLASSES_FILE).write_text(json.dumps(named, indent=2, ensure_ascii=False))
