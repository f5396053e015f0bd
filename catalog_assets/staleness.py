"""Staleness: which partitions are missing or no longer made from what lies upstream, as the web UI shows it.

Dagster computes this but offers no public call for it, so the imports of its inner modules are kept here.
"""

from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContext
from dagster._utils.aiodataloader import BlockingDataLoader, DataLoader


class _Loading(LoadingContext):
    """The scope within which Dagster may cache what it reads: one question."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._loaders: dict[type, tuple[DataLoader[Any, Any], BlockingDataLoader[Any, Any]]] = {}

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[type, tuple[DataLoader[Any, Any], BlockingDataLoader[Any, Any]]]:
        return self._loaders


def needs_materializing(defs: dg.Definitions, instance: dg.DagsterInstance, asset: str, partition: str | None) -> bool:
    """Whether an asset (or one partition of it) was never made, or its code or its inputs changed since."""
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), _Loading(instance))
    return resolver.get_status(dg.AssetKey(asset), partition) is not StaleStatus.FRESH
