"""Products on Spark: a delivery is parsed by one task, and its tables come back in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.parsing import PRODUCTS_SCHEMA, REJECTED_SCHEMA, ParsedFeed
from resources.spark.jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIECE_ROWS = 10_000  # a value of a Spark row has at most 2 GB
_PIECES = "is_product boolean, file binary"


def parse_on(session: SparkSession, task: DeliveryTask, on_report: Callable[[str], None]) -> ParsedFeed:
    """Return what `task.parse` returns on one of the session's executors.

    Raises:
        SparkJobError: The task fails; a feed that is refused is one reason.
    """
    name = f"products of {task.delivery.key}"
    with watched(session.sparkContext, name, lost_after_s=LOST_AFTER_S, on_report=on_report):
        one_row = session.range(1, numPartitions=1)
        pieces = one_row.mapInArrow(partial(_parsed_pieces, task=task, piece_rows=PIECE_ROWS), _PIECES).collect()
    products = [pl.read_ipc(bytes(piece.file)) for piece in pieces if piece.is_product]
    rejected = [pl.read_ipc(bytes(piece.file)) for piece in pieces if not piece.is_product]
    return ParsedFeed(
        pl.concat([PRODUCTS_SCHEMA.to_frame(), *products]), pl.concat([REJECTED_SCHEMA.to_frame(), *rejected])
    )


def _parsed_pieces(batches: Iterable[pa.RecordBatch], task: DeliveryTask, piece_rows: int) -> Iterator[pa.RecordBatch]:
    """Yields, on an executor, the delivery's tables as Arrow files of at most `piece_rows` rows."""
    if not any(batch.num_rows for batch in batches):
        return
    parsed = task.parse()
    for is_product, table in ((True, parsed.products), (False, parsed.rejected)):
        for piece in table.iter_slices(piece_rows):
            file = BytesIO()
            piece.write_ipc(file)
            yield pa.RecordBatch.from_pylist([{"is_product": is_product, "file": file.getvalue()}])
