"""The taxonomy of all categories, and the moves of categories from its former versions."""

import dagster as dg
import polars as pl

from catalog.taxonomy.files import CURATED_FILE, read_former_versions
from catalog.taxonomy.tree import Taxonomy, TaxonomyError, canonical_path
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from resources.store import Store

SHOWN_MOVES, SHOWN_IDS = 50, 5


@dg.asset(
    group_name="ingestion",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
)
def taxonomy(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The taxonomy as a table: every node with its path and its ancestors at levels 1 to 4.

    A table whose ids meant other paths, in a version that nobody has saved as a former one, is not replaced.
    """
    known = store.taxonomy()
    refuse_replaced_ids(store, known)
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


def refuse_replaced_ids(store: Store, known: Taxonomy) -> None:
    """Refuses a taxonomy that gives ids of the present table another path, unless a former version explains them.

    Raises:
        TaxonomyError: labels with such an id would silently become another category's; the message names the ids.
    """
    if not any(store.folder("taxonomy").glob("*.parquet")):
        return
    former = read_former_versions(store.reference)
    explained = {(category_id, canonical_path(each.path(category_id))) for each in former for category_id in each.ids}
    before = store.scan("taxonomy").select("category_id", "path").collect()
    replaced = [
        f"{category_id} was {path!r} and is {known.path(category_id)!r}"
        for category_id, path in before.sort("category_id").iter_rows()
        if category_id in known
        and known.resolve(path) != category_id
        and (category_id, canonical_path(path)) not in explained
    ]
    if replaced:
        more = f" and {len(replaced) - SHOWN_IDS:,} more" if len(replaced) > SHOWN_IDS else ""
        raise TaxonomyError(
            f"{len(replaced):,} ids of the taxonomy have another path than before: {'; '.join(replaced[:SHOWN_IDS])}"
            f"{more}; save the former taxonomy as {store.reference / 'previous'}/VERSION.txt, and confirm in "
            f"{CURATED_FILE} those that are the same category, as a line old_id,new_id such as 5,5"
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
    """The moves of every category of former taxonomies: kept, renamed, moved, merged, split, changed or lost."""
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


@dg.asset_check(
    asset=taxonomy_moves,
    description=f"Every id that has another path than in a former version is confirmed in {CURATED_FILE}.",
)
def ids_mean_what_they_meant(store: Store) -> dg.AssetCheckResult:
    """Warns of ids that have another path, whose labels are not followed until a person confirms them."""
    changed = store.taxonomy_moves(store.taxonomy()).changed
    rows = [(each.version, each.old_id, each.old_path, each.candidates[-1], each.reason) for each in changed]
    frame = pl.DataFrame(rows, schema=["version", "old_id", "old_path", "candidate_id", "reason"], orient="row")
    ids = ", ".join(str(each.old_id) for each in changed[:SHOWN_MOVES])
    return dg.AssetCheckResult(
        passed=not changed,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{len(changed):,} ids have another path than in a former version, and labels with them are dropped: "
            f"{ids}; confirm each in {CURATED_FILE}"
            if changed
            else "every id has the path of the former versions, or is confirmed"
        ),
        metadata={"changed ids": dg.MetadataValue.md(table(frame.head(SHOWN_MOVES)))} if changed else {},
    )
