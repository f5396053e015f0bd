"""Staleness: finds assets, or partitions of them, that have to be materialized again."""

import dagster as dg

from resources.dagster_internals import MAX_CHECKED_PARTITIONS, is_stale


def needs_materializing(defs: dg.Definitions, instance: dg.DagsterInstance, asset: str, partition: str | None) -> bool:
    """Returns True if an asset (or one partition) was never materialized, or its code or its inputs changed since."""
    return is_stale(defs, instance, asset, partition) or (
        partition is None and _has_newer_partitions(defs, instance, asset)
    )


def _has_newer_partitions(defs: dg.Definitions, instance: dg.DagsterInstance, asset: str) -> bool:
    """Returns True if an input with many partitions was materialized since; Dagster does not compare their versions."""
    graph = defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey(asset))
    if node.partitions_def is not None:
        return False
    many = [
        key
        for key in node.parent_keys
        if graph.get(key).partitions_def is not None
        and len(instance.get_materialized_partitions(key)) >= MAX_CHECKED_PARTITIONS
    ]
    position = _newest(instance, dg.AssetKey(asset)) if many else 0
    return any(_newest(instance, key) > position for key in many)


def _newest(instance: dg.DagsterInstance, key: dg.AssetKey) -> int:
    """The position of an asset's newest materialization in the event log; 0 where there is none."""
    records = instance.fetch_materializations(key, limit=1).records
    return records[0].storage_id if records else 0
