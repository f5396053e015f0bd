"""Shard writing on a cluster: one task gets all ends of a shard's links, and writes the shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from catalog.images.downloading import Ending
from catalog.images.lane_download import ENDINGS_SCHEMA
from catalog.images.records import ending_of
from catalog.images.shard_plans import ShardPlan, links_of

# A shard that is written: its products that were asked for, and how many of them have got a picture.
WRITTEN_SCHEMA = pa.schema([("shard", pa.int32()), ("num_asked", pa.int64()), ("num_ok", pa.int64())])


def write_shards(batches: Iterable[pa.RecordBatch], plans: Mapping[int, ShardPlan]) -> Iterator[pa.RecordBatch]:
    """Writes the shards whose ENDINGS_SCHEMA come, and tells each as WRITTEN_SCHEMA.

    Writing a shard again, even at the same time elsewhere, leaves the same files: it replaces whole files by equal
    ones, and takes nothing from the store but what lay there when the plans were made.
    """
    endings: dict[int, dict[str | None, Ending]] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ENDINGS_SCHEMA.names)
        for shard, record, data in zip(*columns, strict=True):
            url, ending = ending_of(record, data or b"")
            endings.setdefault(shard, {})[url] = ending
    for shard, ended in endings.items():
        plan = plans[shard]
        plan.conclude(ended)
        num_ok = sum(len(link.product_ids) for link in links_of(plan.todo) if ended[link.url].picture)
        yield pa.RecordBatch.from_pylist(
            [{"shard": shard, "num_asked": plan.todo.height, "num_ok": num_ok}], schema=WRITTEN_SCHEMA
        )
