"""Making one asset of a store, as a run does."""

import dagster as dg

from catalog_assets.definitions import defs
from catalog_assets.flow import QUIET
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store

ASSETS = list(defs.assets or [])


def made(
    store: Store, instance: dg.DagsterInstance, asset: str, partition: str | None = None, *, raises: bool = True
) -> dg.ExecuteInProcessResult:
    """An asset, or a partition of it, made by the real resources over a store."""
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(asset),
        partition_key=partition,
        resources=configured(Settings.read(store=store.root)),
        instance=instance,
        run_config=QUIET,
        raise_on_error=raises,
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """Returns the metadata of the only materialization of an asset."""
    [event] = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}
