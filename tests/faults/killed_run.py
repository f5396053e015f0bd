"""Materializes assets of a store in a process that kills itself by SIGKILL at a moment: as a function is called."""

from pathlib import Path

import dagster as dg

import ml.deployment.deploy
from catalog_assets.definitions import defs
from catalog_assets.flow import QUIET
from resources.configured import configured
from resources.settings import Settings
from tests.catalog_assets.serving.exported_by_copy import exported_by_copy
from tests.faults.kill_at import kill_at


def materialize(root: Path, assets: list[str], partition: str | None) -> dg.ExecuteInProcessResult:
    """Materializes assets in a run with the store's own resources; returns its result."""
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        return dg.materialize(
            list(defs.assets or []),
            selection=dg.AssetSelection.assets(*assets),
            partition_key=partition,
            resources=configured(Settings.read(store=str(root))),
            instance=instance,
            run_config=QUIET,
            raise_on_error=False,
        )


def run_until(root: str, assets: str, partition: str, function: str, when: str, num_calls: str) -> None:
    """Materialize assets, joined by commas, until the moment; an empty partition is none."""
    place = Path(root)
    ml.deployment.deploy.deploy = exported_by_copy(place)
    kill_at(function, when, int(num_calls))
    materialize(place, assets.split(","), partition or None)
