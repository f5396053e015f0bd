"""Suspect labels: what partners have probably placed in the wrong category, for a person to look at."""

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import encoder_recipes
from catalog_assets.versions import content_version
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store

LEAVES = LEVEL_COLUMNS[-1]
MAX_LEARNED = 100_000  # labels, whatever the catalogue holds
MIN_PICTURES = 5  # of a leaf, one a fold: of fewer, the other folds know too little
SHOWN, SHOWN_EXAMPLES = 12, 3
COLUMNS = (
    *("encoder", "product_id", "given_id", "given_name", "suggested_id", "suggested_name"),
    *("score", "suggested_probability", "delivery"),
)


@dg.asset(
    deps=[encoders, embeddings],
    partitions_def=encoder_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def suspect_labels(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, pictures: Pictures, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """Training labels that confident learning holds for wrong, by what the others' embeddings tell; worst first."""
    name = context.partition_key
    import catalog.label_noise as noise
    from ml.classifiers.out_of_fold import folds, out_of_fold_probabilities
    from ml.vectors import Labelled

    rows = dataset.filter(labelled, split="train").collect()
    drawn = rows.sort("label_rank", "product_id").head(MAX_LEARNED)
    learned = drawn.filter(pl.len().over(LEAVES) >= MIN_PICTURES)
    if learned.is_empty():
        raise dg.Failure(
            f"no leaf has {MIN_PICTURES} of the {len(rows)} labelled training pictures, too few to tell a wrong label; "
            "take in a delivery with labels"
        )
    leaves = learned[LEAVES].to_numpy(writable=True)
    groups = learned["group_id"].rank("dense").cast(pl.Int64).to_numpy()
    known, given = np.unique(leaves, return_inverse=True)
    with compute.session() as session:
        train = Labelled(StoredEmbeddings(store, name).of(learned), leaves)
        probabilities = out_of_fold_probabilities(train, folds(given, groups), session.device)
    found = noise.suspect_labels(given, probabilities)
    names = store.category_names()
    products = learned[found["position"]].select("product_id", "delivery")
    frame = products.with_columns(
        pl.lit(name).alias("encoder"),
        *(pl.Series(f"{each}_id", known[found[each]]) for each in ("given", "suggested")),
        found["score"],
        found["suggested_probability"],
    )
    frame = frame.with_columns(
        pl.col(f"{each}_id").replace_strict(names, default=None, return_dtype=pl.String).alias(f"{each}_name")
        for each in ("given", "suggested")
    ).select(COLUMNS)
    metadata: dict[str, dg.MetadataValue | float | int] = {
        "dagster/row_count": len(frame),
        "labels judged": len(learned),
        "labels left out": len(rows) - len(learned),
        "out-of-fold accuracy": float((probabilities.argmax(axis=1) == given).mean()),
        "device_seconds": session.device_seconds,
    }
    if len(frame):
        shown = frame.head(SHOWN).select("product_id", "given_name", "suggested_name", "score", "suggested_probability")
        metadata["most suspect"] = dg.MetadataValue.md(table(shown))
        sheet = _sheet(learned, found.head(SHOWN), probabilities, given, pictures)
        caption = f"a suspect a row, then {SHOWN_EXAMPLES} of its given label, then {SHOWN_EXAMPLES} of the suggested"
        metadata["pictures"] = dg.MetadataValue.md(picture(sheet, caption))
    return dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=metadata)


def _sheet(
    rows: pl.DataFrame, found: pl.DataFrame, probabilities: np.ndarray, given: np.ndarray, pictures: Pictures
) -> bytes:
    """A PNG: each suspect, and beside it the pictures that are most surely of its given and of its suggested label."""
    from catalog.contact_sheet import contact_sheet

    drawn = []
    for position, own, suggested in found.select("position", "given", "suggested").iter_rows():
        shown = [position, *_surest(own, probabilities, given), *_surest(suggested, probabilities, given)]
        drawn.append(pictures.read(rows[shown]))
    return contact_sheet(drawn)


def _surest(leaf: int, probabilities: np.ndarray, given: np.ndarray) -> list[int]:
    """Positions of the pictures of a leaf that are most probably of it."""
    members = np.flatnonzero(given == leaf)
    best = members[np.argsort(-probabilities[members, leaf], kind="stable")[:SHOWN_EXAMPLES]]
    return [int(each) for each in best]
