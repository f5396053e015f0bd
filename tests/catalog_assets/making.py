"""Making one asset of a store, as a run does."""

import dagster as dg

from catalog_assets.definitions import ASSET_MODULES, resources
from demo.flow import QUIET
from resources.store import Store

ASSETS = dg.load_assets_from_modules(ASSET_MODULES)


def made(
    store: Store, instance: dg.DagsterInstance, asset: str, partition: str | None = None, *, raises: bool = True
) -> dg.ExecuteInProcessResult:
    """An asset, or a partition of it, made by the real resources over a store."""
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(asset),
        partition_key=partition,
        resources=resources(store.root),
        instance=instance,
        run_config=QUIET,
        raise_on_error=raises,
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What the only materialization of an asset tells."""
    [event] = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}
