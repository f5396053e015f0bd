"""History: what Dagster recorded when an asset, or a partition of it, was last made, and which runs are under way."""

import dagster as dg

IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def latest(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dg.AssetMaterialization | None:
    """The newest materialization, with its metadata and its tags (``dagster/data_version`` among them)."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=None if partition is None else [partition]
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].asset_materialization if records else None


def data_version(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> str | None:
    """The fingerprint that the newest materialization carries; None where nothing was ever made."""
    made = latest(instance, asset, partition)
    return (made.tags or {}).get("dagster/data_version") if made else None
