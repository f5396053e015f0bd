"""Hugging Face dataset: Parquet files with an Image column and class labels, and the card that names the splits.

`datasets` reads its features from the key `huggingface` of the Parquet metadata, and the files of each split from the
YAML head of README.md. Source: https://huggingface.co/docs/datasets/about_dataset_features and
https://huggingface.co/docs/hub/datasets-manual-configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.exports.examples import ClassNames, Example

SPLIT_NAMES = {"val": "validation"}  # Hugging Face's word; the other splits keep theirs
_GROUP_BYTES, _GROUP_ROWS = 32 << 20, 1_000
_COLUMNS = {
    "label": pa.int64(),
    "product_id": pa.string(),
    "partner_id": pa.string(),
    "group_id": pa.string(),
    "sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "category_id": pa.int64(),
    "path": pa.string(),
}
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema_of(classes: ClassNames) -> pa.Schema:
    """Returns the schema of every file, with the features that `datasets` reads."""
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    features |= {name: {"dtype": str(dtype), "_type": "Value"} for name, dtype in _COLUMNS.items()}
    features["label"] = {"names": list(classes.paths), "_type": "ClassLabel"}
    schema = pa.schema([("image", _IMAGE), *_COLUMNS.items()])
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


class ParquetSink:
    """Writes the row groups of one Parquet file; each has at most 1,000 images or 32 MiB, and one more."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file
        self._writer = pq.ParquetWriter(file, schema, compression="none", use_dictionary=False, write_statistics=False)
        self._schema = schema
        self._waiting: list[dict[str, Any]] = []
        self._waiting_bytes = 0

    @property
    def num_bytes(self) -> int:
        """Bytes written, and those of the images that wait for their row group."""
        return self._file.tell() + self._waiting_bytes

    def write(self, example: Example) -> None:
        """Appends one row."""
        image = {"bytes": example.image, "path": f"{example.sha256}.jpg"}
        self._waiting.append({"image": image, **{name: getattr(example, name) for name in _COLUMNS}})
        self._waiting_bytes += len(example.image)
        if self._waiting_bytes >= _GROUP_BYTES or len(self._waiting) >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Writes the rows that wait, and the footer."""
        if self._waiting:
            self._write_group()
        self._writer.close()

    def abort(self) -> None:
        """Gives the file up after an error."""
        self._writer.is_open = False  # its finalizer would write the footer

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting.clear()
        self._waiting_bytes = 0


def write_card(folder: Path, splits: Iterable[str]) -> None:
    """Writes README.md, the dataset's card, which names the files of each split."""
    files = "".join(
        f"  - split: {SPLIT_NAMES.get(split, split)}\n    path: data/{SPLIT_NAMES.get(split, split)}-*.parquet\n"
        for split in splits
    )
    head = "---\ntask_categories:\n- image-classification\nconfigs:\n- config_name: default\n  data_files:\n"
    text = "Products with images and categories, exported by shelfsight."
    (folder / "README.md").write_text(f"{head}{files}---\n\n{text}\n")
