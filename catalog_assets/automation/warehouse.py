"""The warehouse: a DuckDB file of views over the store's Parquet, so that no writer can lock out a reader."""

import dagster as dg

from catalog_assets.idioms.conditions import when_upstream_changes
from resources.artifacts.local_copies import warehouse_folder
from resources.store import Store


@dg.asset(
    # Not of download_probe, link_rot and feed_freshness, which are of their day: their views come all the same.
    deps=[
        "products",
        "rejected",
        "outcomes",
        "images",
        "splits",
        "dataset",
        "placeholders",
        "taxonomy",
        "taxonomy_moves",
        "encoder_quality",
        "similarity_index",
        "comparison",
        "calibration",
        "data_efficiency",
        "champion",
        "universal_catalog",
        "drift",
        "embedding_drift",
        "golden_score",
    ],
    group_name="automation",
    kinds={"duckdb"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def warehouse(store: Store) -> dg.MaterializeResult[None]:
    """``catalog.duckdb``: every table, and views for common queries, as SQL."""
    from catalog.storage.warehouse import write_warehouse

    with store.writing(*warehouse_folder(store.root)) as folder:
        database = folder / "catalog.duckdb"
        views = write_warehouse(database, str(store.path))
    return dg.MaterializeResult(metadata={"database": dg.MetadataValue.path(str(database)), "views": ", ".join(views)})
