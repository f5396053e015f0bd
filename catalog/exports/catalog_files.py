"""Catalog files: rows of the catalog as CSV, JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import BinaryIO

import polars as pl
import pyarrow.parquet as pq

# Leading characters by which a spreadsheet takes a text for a formula (OWASP, "CSV Injection"), full-width ones too.
FORMULA_STARTS = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_PER_GROUP = 100_000
_ISO_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"

WriteRows = Callable[[Iterable[pl.DataFrame], BinaryIO], None]


def write_spreadsheet_csv(frames: Iterable[pl.DataFrame], file: BinaryIO) -> None:
    """Writes CSV for spreadsheets: with a byte order mark, and `'` before a text that would be a formula."""
    file.write(BYTE_ORDER_MARK)
    write_csv((_guarded(frame) for frame in frames), file)


def write_csv(frames: Iterable[pl.DataFrame], file: BinaryIO) -> None:
    """Writes CSV for programs (RFC 4180, UTF-8, LF): all texts as they are, lists as JSON, null as nothing."""
    for number, frame in enumerate(frames):
        _flat(frame).write_csv(file, include_header=number == 0, quote_style="necessary")


def write_json_lines(frames: Iterable[pl.DataFrame], file: BinaryIO) -> None:
    """Writes a JSON object per line; times are ISO 8601 in UTC."""
    for frame in frames:
        _with_text_times(frame).write_ndjson(file)


def write_parquet_groups(frames: Iterable[pl.DataFrame], file: BinaryIO) -> None:
    """Writes one Parquet file whose row groups have at least 100,000 rows, but the last."""
    writer: pq.ParquetWriter | None = None
    waiting: list[pl.DataFrame] = []
    try:
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            waiting.append(frame)
            if sum(map(len, waiting)) >= _ROWS_PER_GROUP:
                _write_group(writer, waiting)
        if writer is not None:
            if waiting:
                _write_group(writer, waiting)
            writer.close()
    finally:
        if writer is not None:
            writer.is_open = False  # after an error its finalizer would write the footer


CATALOG_FORMATS: Mapping[str, WriteRows] = MappingProxyType(
    {"csv": write_spreadsheet_csv, "plain-csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet_groups}
)


def _write_group(writer: pq.ParquetWriter, waiting: list[pl.DataFrame]) -> None:
    writer.write_table(pl.concat(waiting).to_arrow(compat_level=pl.CompatLevel.oldest()))
    waiting.clear()


def _guarded(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows with `'` before each text that starts like a formula."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA_STARTS)).then("'" + pl.col(name)).otherwise(name).alias(name)
        for name in texts
    )


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows with lists of structs as JSON, and times as ISO 8601."""
    objects = pl.element().struct.json_encode()
    return _with_text_times(frame).with_columns(
        ("[" + pl.col(name).list.eval(objects).list.join(",") + "]").alias(name)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.List)
    )


def _with_text_times(frame: pl.DataFrame) -> pl.DataFrame:
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime(_ISO_TIME) for name in times)
