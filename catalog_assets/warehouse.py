"""The warehouse: a DuckDB file of views over the store's Parquet, so that no writer can lock out a reader."""

import dagster as dg

from catalog_assets.conditions import when_upstream_changes
from resources import mirror
from resources.store import Store


@dg.asset(
    # Not of download_probe and link_rot, which are of their day and may grow old: their views come all the same.
    deps=[
        "products",
        "rejected",
        "outcomes",
        "images",
        "dataset",
        "taxonomy",
        "taxonomy_moves",
        "encoder_quality",
        "similarity_index",
        "comparison",
        "data_efficiency",
        "champion",
        "universal_catalogue",
        "drift",
        "embedding_drift",
        "golden_score",
    ],
    group_name="evaluation",
    kinds={"duckdb"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def warehouse(store: Store) -> dg.MaterializeResult[None]:
    """``catalog.duckdb``: every table, and the views people ask for, as SQL."""
    from catalog.warehouse import write_warehouse

    database = mirror.database(store.root)
    views = write_warehouse(database, str(store.path))
    store.put_back(mirror.WAREHOUSE)
    return dg.MaterializeResult(metadata={"database": dg.MetadataValue.path(str(database)), "views": ", ".join(views)})
