"""Products on Spark: the ranges of a delivery's rows, each read and taken by one task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.range_taking import RangeReading, RangeTakings
from resources.spark_jobs import LOST_AFTER_S, watched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TAKEN = "place int, products binary, rejected binary, raw binary"


def take_ranges(session: SparkSession, reading: RangeReading, on_report: Callable[[str], None]) -> list[RangeTakings]:
    """What came of each range, in order. Raises SparkJobError where a task fails, as for a feed that is refused."""
    num_ranges = len(reading.ranges)
    places = pa.table({"place": pa.array(range(num_ranges), pa.int32())})
    name = f"products of {reading.ranges[0].key}"
    with watched(session.sparkContext, name, lost_after_s=LOST_AFTER_S, on_report=on_report):
        rows = (
            session.createDataFrame(places)
            .repartitionById(num_ranges, "place")
            .mapInArrow(reading.take, _TAKEN)
            .collect()
        )
    taken = {row.place: RangeTakings.unpacked(bytes(row.products), bytes(row.rejected), bytes(row.raw)) for row in rows}
    return [taken[place] for place in range(num_ranges)]
