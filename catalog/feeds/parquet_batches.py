"""Batches of a Parquet file's rows, in memory that is bounded by the batch and not by the row group.

A dictionary in a small file can stand for a large text in every row. So a row group is inspected first: if its texts
are modest it is read in large batches, otherwise in small ones with its dictionaries left encoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.feeds.parquet_footer import check_footer

BATCH_ROWS = 10_000
CAREFUL_BATCH_ROWS = 250
CAREFUL_BATCH_BYTES = 64_000_000
MAX_MODEST_VALUE_BYTES = 6_000  # more than Merchant Center's longest attribute; 60 MB if every row of a batch has it
MAX_MODEST_GROUP_BYTES = 512_000_000  # of the columns that are read, not compressed

_BUFFER_BYTES = 1 << 20


class ParquetRows:
    """Columns of a Parquet file, texts or lists of texts.

    With `is_careful`, all batches are small, as those of columns with images have to be. `num_bytes` of the columns
    unpack from `num_packed_bytes`, dictionaries counted once, as the file declares; `num_file_bytes` is its real size.
    Raises the library's errors for a file that is damaged or none.
    """

    def __init__(self, source: BinaryIO, columns: Sequence[str], *, is_careful: bool = False) -> None:
        check_footer(source)
        source.seek(0)
        self._is_careful = is_careful
        self._columns = list(columns)
        self._plain = pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        metadata = self._plain.metadata
        paths = [metadata.schema.column(position).path for position in range(metadata.num_columns)]
        owners = {position: _column_of(path, columns) for position, path in enumerate(paths)}
        self._leaves = {position: column for position, column in owners.items() if column is not None}
        self._careful = pq.ParquetFile(
            source,
            metadata=metadata,
            read_dictionary=[paths[position] for position in self._leaves],
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
        )
        self._sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.num_rows: int = metadata.num_rows
        self.num_file_bytes = source.seek(0, os.SEEK_END)
        chunks = [chunk for group in range(len(self._sizes)) for chunk in self._chunks(group)]
        self.num_bytes: int = sum(chunk.total_uncompressed_size for chunk in chunks)
        self.num_packed_bytes: int = sum(chunk.total_compressed_size for chunk in chunks)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the file, row group by row group."""
        for group, size in enumerate(self._sizes):
            if size:
                yield from self._group(group)

    def _group(self, group: int) -> Iterator[pa.RecordBatch]:
        num_bytes = sum(chunk.total_uncompressed_size for chunk in self._chunks(group))
        num_careful = max(1, min(CAREFUL_BATCH_ROWS, CAREFUL_BATCH_BYTES * self._sizes[group] // max(1, num_bytes)))
        is_large = self._is_careful or num_bytes > MAX_MODEST_GROUP_BYTES
        if not is_large and self._is_modest(group, num_careful):
            yield from self._plain.iter_batches(BATCH_ROWS, row_groups=[group], columns=self._columns)
        else:
            yield from self._careful.iter_batches(num_careful, row_groups=[group], columns=self._columns)

    def _is_modest(self, group: int, num_inspected: int) -> bool:
        """Returns whether no dictionary of the group makes its texts much larger than they are in the file."""
        # A column's first value has its whole dictionary of the group with it.
        batches = self._careful.iter_batches(num_inspected, row_groups=[group], columns=self._columns)
        first = next(batches, None)
        if first is None:
            raise pa.ArrowInvalid(f"row group {group} has no rows, but the file declares {self._sizes[group]:,}")
        for column, chunk in zip(self._leaves.values(), self._chunks(group), strict=True):
            values = first.column(column)
            is_list = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
            texts = values.values if is_list else values
            if not pa.types.is_dictionary(texts.type) or not _is_text(texts.type.value_type):
                continue
            if is_list and not len(texts.dictionary) and chunk.num_values:
                return False  # its first lists are empty, so the others are unknown
            longest = pc.max(pc.binary_length(texts.dictionary)).as_py() or 0
            if longest > MAX_MODEST_VALUE_BYTES or (is_list and longest * chunk.num_values > MAX_MODEST_GROUP_BYTES):
                return False
        return True

    def _chunks(self, group: int) -> list[pq.ColumnChunkMetaData]:
        metadata = self._plain.metadata.row_group(group)
        return [metadata.column(position) for position in self._leaves]


def _column_of(path: str, columns: Sequence[str]) -> str | None:
    """Returns the column of a leaf of the schema: `links` for `links.list.element`; names may hold dots."""
    return next((column for column in columns if path == column or path.startswith(f"{column}.")), None)


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )
