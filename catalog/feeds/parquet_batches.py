"""Batches of a Parquet file's rows, by range, in memory that is bounded by the batch and not by the row group.

A dictionary in a small file can stand for a large text in every row. So a row group is looked at first: one whose
texts are modest is read in large batches as it is, another in small ones with its dictionaries left as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH_ROWS = 10_000
CAREFUL_BATCH_ROWS = 2_000
MAX_MODEST_VALUE_BYTES = (
    6_000  # more than the longest attribute of Merchant Center; 60 MB if every row of a batch has it
)
MAX_MODEST_GROUP_BYTES = 512_000_000  # of the columns that are read, not compressed

_BUFFER_BYTES = 1 << 20


class ParquetRows:
    """Some columns of a Parquet file. Raises the library's errors for a file that is damaged or none."""

    def __init__(self, source: BinaryIO, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._plain = pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        self._careful = pq.ParquetFile(
            source, read_dictionary=self._columns, buffer_size=_BUFFER_BYTES, pre_buffer=False
        )
        metadata = self._plain.metadata
        self._sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.num_rows: int = metadata.num_rows

    def batches(self, first_row: int = 1, num_rows: int | None = None) -> Iterator[pa.RecordBatch]:
        """The batches of `num_rows` rows from `first_row` on, None for all, read from the groups that hold them."""
        ends = list(itertools.accumulate(self._sizes))
        last_row = self.num_rows if num_rows is None else first_row + num_rows - 1
        for group, (end, size) in enumerate(zip(ends, self._sizes, strict=True)):
            position = end - size  # rows before the batch
            if end < first_row or position >= last_row or not size:
                continue
            for batch in self._group(group):
                start, stop = max(0, first_row - 1 - position), min(batch.num_rows, last_row - position)
                position += batch.num_rows
                if start < stop:
                    yield batch.slice(start, stop - start)

    def _group(self, group: int) -> Iterator[pa.RecordBatch]:
        if self._is_modest(group):
            yield from self._plain.iter_batches(BATCH_ROWS, row_groups=[group], columns=self._columns)
        else:
            yield from self._careful.iter_batches(CAREFUL_BATCH_ROWS, row_groups=[group], columns=self._columns)

    def _is_modest(self, group: int) -> bool:
        metadata = self._plain.metadata.row_group(group)
        chunks = [metadata.column(place) for place in range(metadata.num_columns)]
        held = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in self._columns]
        if sum(chunk.total_uncompressed_size for chunk in held) > MAX_MODEST_GROUP_BYTES:
            return False
        # Its first row has the whole dictionaries of the group with it.
        first = next(self._careful.iter_batches(1, row_groups=[group], columns=self._columns))
        dictionaries = [column.dictionary for column in first.columns if pa.types.is_dictionary(column.type)]
        longest = [pc.max(pc.binary_length(each)).as_py() or 0 for each in dictionaries if _is_text(each.type)]
        return max(longest, default=0) <= MAX_MODEST_VALUE_BYTES


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )
