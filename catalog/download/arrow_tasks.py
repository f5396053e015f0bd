"""Arrow tasks: the download of links and the writing of shards as functions of Arrow batches, for a cluster's tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa

from catalog.download.downloader import LinkResult
from catalog.download.fetched import Validators
from catalog.download.host_partitions import HostPartitions
from catalog.download.journals import MemoryJournal
from catalog.download.partition_download import download_links
from catalog.download.records import record_of, result_of
from catalog.download.settings import FetchSettings
from catalog.download.shard_plans import Link, ShardPlan
from catalog.download.shard_writing import OpenShard, write_shards

# A link, the index of its shard, the known version of its image, and the task that fetches it.
LINKS_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("image_url", pa.string()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("task", pa.int32()),
    ]
)
# The result of a link of a shard: `catalog.download.records`, the image null where there is none.
RESULTS_SCHEMA = pa.schema([("shard", pa.int32()), ("record", pa.string()), ("image", pa.binary())])
# Products that have got an outcome, and those of them that have got an image.
COUNTS_SCHEMA = pa.schema([("num_products", pa.int64()), ("num_ok", pa.int64())])


def download_task(
    batches: Iterable[pa.RecordBatch],
    partitions: HostPartitions,
    settings: FetchSettings,
    cached: pl.DataFrame | None = None,
) -> Iterator[pa.RecordBatch]:
    """Downloads the links of one task (LINKS_SCHEMA) within its share of each host's limits; yields RESULTS_SCHEMA.

    Raises:
        ValueError: the links belong to two tasks, which together would exceed the limits of their hosts.
    """
    links: dict[int, list[Link]] = {}
    tasks = set()
    for batch in batches:
        for row in batch.to_pylist():
            tasks.add(row["task"])
            link = Link(row["image_url"], Validators(row["etag"], row["last_modified"]), [])
            links.setdefault(row["shard"], []).append(link)
    if len(tasks) > 1:
        raise ValueError(f"one task got the links of tasks {sorted(tasks)}; together they exceed the limits of hosts")
    for task in tasks:
        # One decoding process beside each task: tasks share the cores already, and a hostile image cannot kill a task.
        within = replace(partitions.settings_of(task, settings), num_decoders=1)
        yield from map(results_batch, download_links(links, within, cached))


def write_task(batches: Iterable[pa.RecordBatch], plans: Mapping[int, ShardPlan]) -> Iterator[pa.RecordBatch]:
    """Writes the shards whose results (RESULTS_SCHEMA) this task has got, all in memory; yields COUNTS_SCHEMA."""
    received = [batch for batch in batches if batch.num_rows]
    indices = {index for batch in received for index in batch.column("shard").unique().to_pylist()}
    shards = {index: OpenShard(plans[index], MemoryJournal()) for index in indices}
    for counts in write_shards(map(_results_in, received), shards):
        yield pa.RecordBatch.from_arrays([pa.array([count], pa.int64()) for count in counts], schema=COUNTS_SCHEMA)


def results_batch(results: Sequence[LinkResult]) -> pa.RecordBatch:
    """Converts results of links to RESULTS_SCHEMA."""
    return pa.RecordBatch.from_arrays(
        [
            pa.array([shard for shard, _, _ in results], pa.int32()),
            pa.array([record_of(url, result) for _, url, result in results], pa.string()),
            pa.array([result.image.data if result.image else None for _, _, result in results], pa.binary()),
        ],
        schema=RESULTS_SCHEMA,
    )


def _results_in(batch: pa.RecordBatch) -> Iterator[LinkResult]:
    columns = (batch.column(name).to_pylist() for name in RESULTS_SCHEMA.names)
    for shard, record, data in zip(*columns, strict=True):
        yield LinkResult(shard, *result_of(record, data or b""))
