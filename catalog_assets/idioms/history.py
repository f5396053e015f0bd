"""History: the newest materialization that Dagster recorded of an asset or a partition."""

import dagster as dg

IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def latest(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dg.AssetMaterialization | None:
    """Return the newest materialization, with its metadata and its tags (``dagster/data_version`` among them)."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=None if partition is None else [partition]
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].asset_materialization if records else None


def data_version(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> str | None:
    """Return the data version of the newest materialization; None where there is none."""
    newest = latest(instance, asset, partition)
    return (newest.tags or {}).get("dagster/data_version") if newest else None
