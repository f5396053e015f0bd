"""Dagster's private names that this project uses, each with the reason; nothing else imports a private module of it.

Dagster offers these functions in its web UI or to its own launchers, but not in its public API, so a release may move
them. `tests/resources/test_dagster_internals.py` pins what is relied on.
"""

from typing import Any

import dagster as dg

# The web UI's staleness of an asset partition (missing, or made from other code or inputs); the public API has none.
from dagster._core.definitions.data_version import (
    SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD as MAX_CHECKED_PARTITIONS,
)
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus

# A run launcher that reports whether a run's process is alive has to return these; they are not exported.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.loader import LoadingContext
from dagster._utils.aiodataloader import BlockingDataLoader, DataLoader

__all__ = ["MAX_CHECKED_PARTITIONS", "CheckRunHealthResult", "WorkerStatus", "is_stale"]


class _Loading(LoadingContext):
    """The scope within which Dagster may cache what it reads: one call."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._loaders: dict[type, tuple[DataLoader[Any, Any], BlockingDataLoader[Any, Any]]] = {}

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[type, tuple[DataLoader[Any, Any], BlockingDataLoader[Any, Any]]]:
        return self._loaders


def is_stale(defs: dg.Definitions, instance: dg.DagsterInstance, asset: str, partition: str | None) -> bool:
    """Returns True if the web UI shows an asset (or one partition of it) as missing, stale or made by other code.

    An asset made from `MAX_CHECKED_PARTITIONS` partitions of another, or more, is never stale because of them.
    """
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), _Loading(instance))
    return resolver.get_status(dg.AssetKey(asset), partition) is not StaleStatus.FRESH
