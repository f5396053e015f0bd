"""Checks of partitioned assets: one result a partition, so that a failed delivery or recipe stays visible by itself."""

import warnings

import dagster as dg


def partitioned_check(
    name: str, *, asset: str, partitions_def: dg.PartitionsDefinition[str], description: str, blocking: bool = False
) -> dg.AssetCheckSpec:
    """The spec of a check that is evaluated for each partition of its asset.

    Without partitions the result of one partition would replace that of another. Dagster 1.13 calls the argument a
    preview and warns at every import; if it changes, this function does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, partitions_def=partitions_def, description=description, blocking=blocking
        )
