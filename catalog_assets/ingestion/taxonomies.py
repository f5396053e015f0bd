"""The taxonomy of all categories, and the moves of categories from its former versions."""

import dagster as dg
import polars as pl

from catalog.taxonomy.files import read_former_versions
from catalog.taxonomy.tree import Taxonomy
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from resources.store import Store

SHOWN_MOVES = 50


@dg.asset(
    group_name="ingestion",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
)
def taxonomy(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The taxonomy as a table: every node with its path and its ancestors at levels 1 to 4."""
    known = store.taxonomy()
    unexplained = _unexplained(store, known)
    if unexplained:
        context.log.warning(
            f"{len(unexplained):,} categories of this table are gone since, such as {unexplained[0]}, and no "
            "file of reference/previous/ has them: save the former taxonomy there, or their labels are unknown"
        )
    return dg.MaterializeResult(
        value=known.table(),
        data_version=dg.DataVersion(known.fingerprint),
        metadata={
            "version": known.version or "unversioned",
            "nodes": len(known),
            "leaves": len(known.leaves),
            "unexplained": len(unexplained),
        },
    )


def _unexplained(store: Store, known: Taxonomy) -> list[int]:
    """Returns the categories of the present table that neither the taxonomy nor a former version has."""
    if not any(store.folder("taxonomy").glob("*.parquet")):
        return []
    before = store.scan("taxonomy").select("category_id").collect()["category_id"]
    former = {category_id for version in read_former_versions(store.reference) for category_id in version.ids}
    return sorted(set(before) - set(known.ids) - former)


@dg.asset(
    deps=[taxonomy],
    group_name="ingestion",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
    automation_condition=when_upstream_changes,
)
def taxonomy_moves(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The moves of every category of former taxonomies: kept, renamed, moved, merged, split or lost; maybe empty."""
    from catalog.taxonomy.moves import KINDS

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
