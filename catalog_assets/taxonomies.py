"""Taxonomies: the one that everything is classified onto, and what became of the categories of those before it."""

import dagster as dg
import polars as pl

from catalog.taxonomy import Taxonomy
from catalog.taxonomy_files import read_former
from catalog_assets.conditions import when_upstream_changes
from catalog_assets.markdown import table
from catalog_assets.versions import content_version
from resources.store import Store

SHOWN_MOVES = 50


@dg.asset(
    group_name="catalogue",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
    automation_condition=dg.AutomationCondition.on_missing(),
)
def taxonomy(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The taxonomy as a table: every node with its path and its ancestors at levels 1 to 4."""
    known = store.taxonomy()
    forgotten = _forgotten(store, known)
    if forgotten:
        context.log.warning(
            f"{len(forgotten):,} categories are gone since this table was last made, such as {forgotten[0]}, and no "
            "file of reference/previous/ has them: save the former taxonomy there, or their labels are unknown"
        )
    return dg.MaterializeResult(
        value=known.table(),
        data_version=dg.DataVersion(known.fingerprint),
        metadata={
            "version": known.version or "unversioned",
            "nodes": len(known),
            "leaves": len(known.leaves),
            "forgotten": len(forgotten),
        },
    )


def _forgotten(store: Store, known: Taxonomy) -> list[int]:
    """The categories that the table has had so far, and neither the taxonomy nor a former version has."""
    if not any(store.folder("taxonomy").glob("*.parquet")):
        return []
    before = store.scan("taxonomy").select("category_id").collect()["category_id"]
    former = {category_id for version in read_former(store.reference) for category_id in version.ids}
    return sorted(set(before) - set(known.ids) - former)


@dg.asset(
    deps=[taxonomy],
    group_name="catalogue",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
    automation_condition=dg.AutomationCondition.on_missing() | when_upstream_changes,
)
def taxonomy_moves(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Where every category of the former taxonomies went: kept, renamed, moved, merged, split or lost; maybe empty."""
    from catalog.taxonomy_moves import KINDS

    moves = store.taxonomy_moves(store.taxonomy()).table()
    by_kind = pl.col("kind").cast(pl.Enum(KINDS))
    counts = moves.group_by("version", by_kind).agg(num=pl.len(), num_leaves=pl.col("was_leaf").sum())
    changed = moves.filter(pl.col("kind") != "kept").sort(by_kind, "version", "old_id", descending=[True, False, False])
    shown = changed.select("version", "old_id", "old_path", "kind", "new_id", "new_path", "reason").head(SHOWN_MOVES)
    return dg.MaterializeResult(
        value=moves,
        data_version=content_version(moves),
        metadata={
            "moves": dg.MetadataValue.md(table(counts.sort("version", "kind"))),
            f"the first {SHOWN_MOVES} that are not kept": dg.MetadataValue.md(table(shown)),
            "products by move": "SELECT * FROM moved_labels, in the warehouse",
        },
    )
