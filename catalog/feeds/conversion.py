"""Conversion: a feed of more rows than a delivery may have becomes Parquet parts, one a delivery, in one reading."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.feeds.deliveries import PARTS, Part
from catalog.feeds.feed import FEED_SCHEMA, REJECTED_ROWS_SCHEMA, FeedBatch, FeedError, RowImages
from catalog.feeds.findings import NOTHING_DETECTED
from catalog.feeds.part_images import PartImages
from catalog.storage.files import fingerprint, read_if_exists, replace_file

LIST_FILE = "parts.json"  # written last: a folder without it holds an interrupted conversion

# A row of the feed or, in its order, a row that could not be read: that one has a reason, and no attributes.
PART_SCHEMA = pl.Schema({**FEED_SCHEMA, **REJECTED_ROWS_SCHEMA})

_NO_REJECTED = REJECTED_ROWS_SCHEMA.to_frame()
_COMPRESSION: dict[str, Any] = {"compression": "lz4", "use_dictionary": False}


def write_parts(batches: Iterable[FeedBatch], records: UPath, folder: str, max_rows: int) -> list[Part]:
    """Write a feed's rows, those that could not be read among them, as parts of at most `max_rows` rows.

    Images that the feed brings go into files beside the parts, to which the rows link.

    Memory is bounded by the batch. Nothing refers to the parts until `list_parts` and the records do.

    Args:
        batches: The feed's batches in their order.
        records: The folder of the delivery records.
        folder: The folder of the parts, below `records`.

    Raises:
        FeedError: The reader refuses the feed.
        StoreNotWritableError: The folder cannot be written; a full disk is one reason.
    """
    files, sizes, image_files = [], [], []
    for number, pieces in itertools.groupby(_cut(batches, max_rows), key=lambda piece: piece[0]):
        files.append(f"{folder}/{number:05}.parquet")
        with PartImages(records, f"{folder}/{number:05}.images") as part_images:
            sizes.append(_write(records / files[-1], (part_images.linked(rows, images) for _, rows, images in pieces)))
            image_files.append(part_images.file)
    firsts = itertools.accumulate(sizes[:-1], initial=1)
    return [
        Part(
            number=number,
            num_parts=len(files),
            first_row=first,
            num_rows=size,
            file=file,
            sha256=fingerprint(records / file),
            images=images,
        )
        for number, (first, size, file, images) in enumerate(zip(firsts, sizes, files, image_files, strict=True), 1)
    ]


def _cut(batches: Iterable[FeedBatch], max_rows: int) -> Iterator[tuple[int, pl.DataFrame, RowImages | None]]:
    """Yields pieces of the batches, `PART_SCHEMA`, each with the number of its part and the images of its batch."""
    num_rows = 0  # of the feed so far
    for batch in batches:
        rows = pl.concat([batch.rows, _NO_REJECTED], how="diagonal")
        if batch.rejected.height:
            rows = pl.concat([rows, batch.rejected], how="diagonal").sort("row")
        while not rows.is_empty():
            size = max_rows - num_rows % max_rows  # what the part has room for
            piece, rows = rows[:size], rows[size:]
            yield num_rows // max_rows + 1, piece, batch.images
            num_rows += piece.height


def _write(path: UPath, pieces: Iterator[pl.DataFrame]) -> int:
    """Writes a part, a row group a piece, and returns its number of rows."""
    num_rows = 0
    written: Future[None] | None = None
    schema = PART_SCHEMA.to_frame().to_arrow().schema
    with (
        replace_file(path) as file,
        pq.ParquetWriter(file, schema, **_COMPRESSION) as part,
        ThreadPoolExecutor(1, thread_name_prefix="part") as thread,
    ):
        for piece in pieces:
            if written is not None:  # at most one piece waits, so memory stays flat
                written.result()
            written = thread.submit(_append, part, piece)
            num_rows += piece.height
        if written is not None:
            written.result()
    return num_rows


def _append(part: pq.ParquetWriter, piece: pl.DataFrame) -> None:
    part.write_table(piece.to_arrow())


def list_parts(
    parts: Collection[Part], records: UPath, folder: str, detected: Mapping[str, str] = NOTHING_DETECTED
) -> None:
    """Write the list that marks a conversion as finished, with what was found out about the feed."""
    with replace_file(records / folder / LIST_FILE) as file:
        file.write(json.dumps({"parts": [asdict(part) for part in parts], "detected": dict(detected)}).encode())


def listed_parts(records: UPath, folder: str) -> list[Part]:
    """Return the parts of a finished conversion; none where there was none, or where files of it are missing."""
    parts = [Part(**part) for part in _list(records, folder)["parts"]]
    files = [file for part in parts for file in (part.file, part.images) if file]
    return parts if all((records / file).exists() for file in files) else []


def listed_findings(records: UPath, folder: str) -> dict[str, str]:
    """Return what was found out about a feed as it was converted."""
    found: dict[str, str] = _list(records, folder)["detected"]
    return found


def _list(records: UPath, folder: str) -> dict[str, Any]:
    written = json.loads(read_if_exists(records / folder / LIST_FILE) or "[]")
    # Before findings were recorded the list held nothing but the parts.
    return {"parts": written, "detected": {}} if isinstance(written, list) else written


def read_part(file: UPath, part: Part) -> Iterator[FeedBatch]:
    """Yield the batches of a part, as the reader of its feed did.

    Raises:
        FileNotFoundError: The part is removed.
        FeedError: The part is damaged.
    """
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise _damaged(file, "its bytes are others than were written")
    table = pq.ParquetFile(pa.BufferReader(content))
    if table.metadata.num_rows != part.num_rows:
        raise _damaged(file, f"{table.metadata.num_rows:,} rows instead of {part.num_rows:,}")
    for group in range(table.num_row_groups):
        rows = pl.DataFrame(table.read_row_group(group)).cast(PART_SCHEMA)
        is_rejected = rows["reason"].is_not_null()
        yield FeedBatch(
            rows.filter(~is_rejected).select(FEED_SCHEMA.names()),
            rows.filter(is_rejected).select(REJECTED_ROWS_SCHEMA.names()),
        )


def _damaged(file: UPath, reason: str) -> FeedError:
    return FeedError(f"{file}: not a readable part of a feed ({reason}); remove it, and deliver the feed again")


def remove_parts(records: UPath, feed_key: str, kept: Collection[Part] = ()) -> None:
    """Remove the folders of a feed's parts, except those of the parts that are kept."""
    folder = records / PARTS / feed_key
    names = {PurePosixPath(part.file).parent.name for part in kept if part.file}
    for each in folder.iterdir() if folder.exists() else ():
        if each.name not in names:
            remove_folder(each)


def remove_folder(folder: UPath) -> None:
    """Remove a folder of parts, where there is one."""
    if folder.exists():
        folder.fs.rm(folder.path, recursive=True)
