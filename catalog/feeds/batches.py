"""Batches of rows, made from the raw bytes of a reader; every value is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    MAX_BATCH_BYTES,
    MAX_BATCH_ROWS,
    MAX_FIELD_BYTES,
    MAX_RAW_CHARACTERS,
    NO_NAMES,
    REJECTED_ROWS_SCHEMA,
    FeedBatch,
    FeedError,
)
from catalog.feeds.repairs import repaired_text

# A wrong byte in these is a matter of spelling; in ids and links it would name another thing.
REPAIRED = tuple(
    column
    for column in COLUMNS
    if column not in ("item_id", "item_group_id", "gtin", "image_url", "additional_image_urls")
)
VALUES_SCHEMA = pl.Schema({"row": pl.Int64, **dict.fromkeys(COLUMNS, pl.Binary)})


class BatchBuilder:
    """Collects rows into batches of at most `MAX_BATCH_ROWS` rows and about `MAX_BATCH_BYTES`.

    `names` are the partner's own column names, for formats without a header: a missing id shows only at the end.
    """

    def __init__(self, name: str, names: Mapping[str, str] = NO_NAMES) -> None:
        self._name = name
        self._id_name = next((own for own, attribute in names.items() if attribute == "id"), None)
        self._num_added = self._num_ids = 0
        self._num_rows = 0  # of the whole feed so far
        self._start()

    def _start(self) -> None:
        self._values: list[tuple[int | bytes | None, ...]] = []
        self._rejected: list[tuple[int, str, str, str]] = []
        self._num_bytes = 0

    def add(self, values: Sequence[bytes | None]) -> None:
        """Add the next row: the bytes of its attributes in the order of `COLUMNS`."""
        self._num_rows += 1
        self._num_bytes += sum(len(value) for value in values if value)
        self._values.append((self._num_rows, *values))
        self._num_added += 1
        self._num_ids += values[0] is not None

    def reject(self, raw: bytes, reason: str, detail: str) -> None:
        """Add the next row as one that cannot be read."""
        self._num_rows += 1
        self._rejected.append((self._num_rows, raw_text(raw), reason, detail))

    @property
    def is_full(self) -> bool:
        """Returns True if the batch should be yielded before another row is added."""
        return len(self._values) + len(self._rejected) >= MAX_BATCH_ROWS or self._num_bytes >= MAX_BATCH_BYTES

    def last_batch(self) -> FeedBatch:
        """Return the rest, at the feed's end.

        Raises:
            FeedError: The feed had no row, or no id under the partner's name.
        """
        if not self._num_rows:
            raise FeedError(f"{self._name}: no product in it; deliver the file again, with its rows")
        if self._id_name is not None and self._num_added and not self._num_ids:
            raise FeedError(f"{self._name}: no product has {self._id_name!r}, mapped to 'id'; correct the mapping")
        return self.batch()

    def batch(self) -> FeedBatch:
        """Return the rows since the last batch."""
        batch = checked_batch(pl.DataFrame(self._values, schema=VALUES_SCHEMA, orient="row"))
        rejected = pl.DataFrame(self._rejected, schema=REJECTED_ROWS_SCHEMA, orient="row")
        self._start()
        all_rejected = pl.concat([batch.rejected, rejected]).sort("row")
        return FeedBatch(batch.rows, all_rejected, num_repaired=batch.num_repaired)


def checked_batch(values: pl.DataFrame) -> FeedBatch:
    """Return a batch of raw bytes, `VALUES_SCHEMA`, as text; rows with a value that is not clean text are rejected."""
    texts = {column: _text(values[column]) for column in COLUMNS}
    values, num_repaired = _repaired(values, texts)
    # Most batches have no fault, and most rows of the others none: only rows that have one are checked in detail.
    faulty = _faulty(values, texts)
    cleaned = pl.DataFrame([values["row"], *texts.values()])
    if faulty is None:
        return FeedBatch(_cleaned(cleaned), REJECTED_ROWS_SCHEMA.to_frame(), num_repaired=num_repaired)
    rejected = _rejected(values.filter(faulty), cleaned.filter(faulty))
    return FeedBatch(_cleaned(cleaned.filter(~faulty)), rejected, num_repaired=num_repaired)


def _repaired(values: pl.DataFrame, texts: dict[str, pl.Series]) -> tuple[pl.DataFrame, int]:
    """Replaces texts with bytes that are not UTF-8, in `texts`, too; returns the values and the number of rows."""
    damaged: pl.Series | None = None
    for column in REPAIRED:
        if texts[column].null_count() > values[column].null_count():
            is_damaged = texts[column].is_null() & values[column].is_not_null()
            found = [None if value is None else repaired_text(value) for value in values[column]]
            texts[column] = pl.Series(column, found, dtype=pl.String)
            values = values.with_columns(texts[column].cast(pl.Binary))
            damaged = is_damaged if damaged is None else damaged | is_damaged
    return values, 0 if damaged is None else int(damaged.sum())


def _faulty(values: pl.DataFrame, texts: Mapping[str, pl.Series]) -> pl.Series | None:
    """Marks the rows with a value that is not clean text; None where there is none."""
    faulty: pl.Series | None = None
    for column in COLUMNS:
        value, text = values[column], texts[column]
        is_bad = value.bin.size() > MAX_FIELD_BYTES
        is_bad |= text.str.contains("\0", literal=True).fill_null(value=False)
        if text.null_count() > value.null_count():
            is_bad = is_bad.fill_null(value=False) | (value.is_not_null() & text.is_null())
        if is_bad.any():
            is_bad = is_bad.fill_null(value=False)
            faulty = is_bad if faulty is None else faulty | is_bad
    return faulty


def _cleaned(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the texts without space around them, null where nothing is left."""
    rows = rows.with_columns(pl.col(column).str.strip_chars() for column in COLUMNS)
    return rows.with_columns(pl.when(pl.col(column) != "").then(pl.col(column)) for column in COLUMNS)


def _rejected(values: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Returns rows that have a fault, each with its first one."""
    frame = values.with_columns(texts[column].alias(_text_of(column)) for column in COLUMNS)
    joined = (b"\t".join(value or b"" for value in row) for row in frame.select(COLUMNS).iter_rows())
    raw = pl.Series("raw", [raw_text(row.rstrip(b"\t")) for row in joined], dtype=pl.String)
    rejected = frame.with_columns(fault=pl.coalesce(_faults())).select("row", raw, "fault").unnest("fault")
    return rejected.select(REJECTED_ROWS_SCHEMA.names())


def raw_text(raw: bytes) -> str:
    """Return the start of an unreadable row, for the person who repairs the feed."""
    return raw[: 4 * MAX_RAW_CHARACTERS].decode("utf-8", errors="replace")[:MAX_RAW_CHARACTERS]


def _text_of(column: str) -> str:
    return f"{column}_text"


def _text(column: pl.Series) -> pl.Series:
    """Returns the bytes as text, null where they are not UTF-8."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:  # all or nothing is fast; now one value after the other
        return pl.Series(column.name, [_decoded(value) for value in column], dtype=pl.String)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _faults() -> Iterator[pl.Expr]:
    """Yields a struct of reason and detail for each attribute and fault, null where there is none."""
    for attribute, column in ATTRIBUTES.items():
        value, text = pl.col(column), pl.col(_text_of(column))
        for reason, words, occurs in (
            ("field_too_large", f"longer than {MAX_FIELD_BYTES:,} bytes", value.bin.size() > MAX_FIELD_BYTES),
            ("invalid_utf8", "not UTF-8", value.is_not_null() & text.is_null()),
            ("nul_byte", "text with a NUL byte", text.str.contains("\0", literal=True)),
        ):
            fault = pl.struct(reason=pl.lit(reason), detail=pl.lit(f"{attribute} is {words}"))
            yield pl.when(occurs).then(fault)
