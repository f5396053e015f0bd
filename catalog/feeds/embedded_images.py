"""Parquet feeds that bring their images, in a struct of bytes and path as Hugging Face datasets writes an Image column.

The product's columns are found by the usual names. Without an id, a product's id is a hash of its image; without
a category, a column `label` is its product type. Numbers of classes become names by the file's own metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.feeds.arrow_bytes import bytes_of
from catalog.feeds.batches import VALUES_SCHEMA, checked_batch
from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    DEFAULT_OPTIONS,
    FeedBatch,
    FeedError,
    ReadOptions,
    RowImages,
    attribute_of,
    attribute_positions,
    attributes_by_header,
)
from catalog.feeds.parquet_batches import ParquetRows
from catalog.feeds.row_limits import refuse_rows
from catalog.feeds.tabular import check_type, read_parquet, refusals

IMAGE_LINK = "image_link"
_CATEGORIES = ("google_product_category", "product_type")
_LABELS = ("label", "labels", "class")
_ID_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The columns of a file: the images', and that of each attribute, with the names of its classes."""

    image: str
    columns: Mapping[str, str]
    classes: Mapping[str, Sequence[str]]


def read_parquet_feed(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a Parquet file, with images where it brings any.

    Raises:
        FeedError: The schema is another one, or the file is damaged or no Parquet.
    """
    with refusals(name):
        schema = pq.read_schema(source)
    source.seek(0)
    image = _image_column(schema, name, options.columns)
    if image is None:
        yield from read_parquet(source, name, options)
        return
    layout = _layout(schema, image, name, options.columns)
    with refusals(name):
        file = ParquetRows(source, [*layout.columns.values(), image], is_careful=True)
        if not file.num_rows:
            raise FeedError(f"{name}: no product in it; deliver the file again, with its rows")
        refuse_rows(file.num_rows, file.num_file_bytes, name)
        row = 1
        for batch in file.batches():
            yield _feed_batch(batch, layout, row)
            row += batch.num_rows


def _image_column(schema: pa.Schema, name: str, names: Mapping[str, str]) -> str | None:
    """Returns the column of the main image; None where no column is a struct of bytes and path."""
    structs: list[str] = [field.name for field in schema if _is_image(field.type)]
    if not structs:
        return None
    attributes = attributes_by_header(names)
    mapped = [each for each in structs if attributes.get(attribute_of(each)) == IMAGE_LINK]
    chosen = mapped or (structs if len(structs) == 1 else [each for each in structs if each == "image"])
    if len(chosen) != 1:
        raise FeedError(
            f"{name}: several columns are images: {', '.join(map(repr, structs))}; map one of them to {IMAGE_LINK!r}"
        )
    return chosen[0]


def _is_image(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return False
    content = kind.field("bytes").type
    return bool(pa.types.is_binary(content) or pa.types.is_large_binary(content))


def _layout(schema: pa.Schema, image: str, name: str, names: Mapping[str, str]) -> _Layout:
    others = [each for each in schema.names if each != image]
    own = {header: each for header, each in names.items() if attribute_of(header) != attribute_of(image)}
    attributes = attributes_by_header(own)
    has_id = any(attributes.get(attribute_of(each)) == "id" for each in others)
    positions = attribute_positions(others if has_id else [*others, "id"], name, own)
    columns = {attribute: others[position] for attribute, position in positions.items() if position < len(others)}
    if not any(each in columns for each in _CATEGORIES):
        label = next((each for each in others if attribute_of(each) in _LABELS), None)
        columns |= {} if label is None else {"product_type": label}
    for attribute, column in columns.items():
        check_type(attribute, column, schema.field(column).type, name)
    return _Layout(image=image, columns=columns, classes=_classes(schema, name))


def _classes(schema: pa.Schema, name: str) -> dict[str, list[str]]:
    """Returns the names of each ClassLabel column's classes, as datasets describes them in the schema's metadata."""
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        features: dict[str, Any] = json.loads(written)["info"]["features"]
        labels = {column: each for column, each in features.items() if each.get("_type") == "ClassLabel"}
        return {column: [str(text) for text in each["names"]] for column, each in labels.items() if each.get("names")}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FeedError(
            f"{name}: the metadata of Hugging Face datasets cannot be read ({error}); write the file again"
        ) from error


def _feed_batch(batch: pa.RecordBatch, layout: _Layout, first_row: int) -> FeedBatch:
    images = batch.column(layout.image)
    content, paths = (pc.struct_field(images, each) for each in ("bytes", "path"))
    values = {ATTRIBUTES[each]: _texts(batch, column, layout) for each, column in layout.columns.items()}
    link = ATTRIBUTES[IMAGE_LINK]
    values[link] = values[link].fill_null(_plain(paths)) if link in values else _plain(paths)
    if "id" not in layout.columns:
        values["item_id"] = pl.Series(
            [_id_of(each.as_py() or path) for each, path in zip(content, _plain(paths), strict=True)], dtype=pl.Binary
        )
    rows = pl.Series(range(first_row, first_row + batch.num_rows), dtype=pl.Int64)
    missing = [pl.lit(None, pl.Binary).alias(column) for column in COLUMNS if column not in values]
    checked = checked_batch(pl.DataFrame({"row": rows, **values}).with_columns(missing).select(VALUES_SCHEMA.names()))
    return FeedBatch(checked.rows, checked.rejected, RowImages(first_row, content))


def _texts(batch: pa.RecordBatch, column: str, layout: _Layout) -> pl.Series:
    """Returns a column as bytes; a number of a class is its name, and -1, which stands for none, is null."""
    values = batch.column(column)
    classes = layout.classes.get(column)
    if classes is None or not pa.types.is_integer(values.type):
        return _plain(values)
    names = [
        None if number is None or not 0 <= number < len(classes) else classes[number] for number in values.to_pylist()
    ]
    return pl.Series([None if each is None else each.encode() for each in names], dtype=pl.Binary)


def _plain(values: pa.Array) -> pl.Series:
    return pl.Series(bytes_of(values), dtype=pl.Binary)


def _id_of(content: bytes | None) -> bytes | None:
    return hashlib.sha256(content).hexdigest()[:_ID_CHARACTERS].encode() if content else None
