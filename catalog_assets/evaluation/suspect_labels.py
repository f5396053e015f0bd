"""Suspect labels: labels that are probably wrong, for a person to review."""

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_recipes
from resources.artifacts.embeddings import StoredEmbeddings
from resources.compute import Compute
from resources.images import StoredImages
from resources.store import Store

LEAVES = LEVEL_COLUMNS[-1]
MAX_LABELS = 100_000  # a bound on the time, for a catalog of any size
MIN_IMAGES = 5  # of a leaf, one per fold: with fewer, the other folds have too few to train on
SHOWN, SHOWN_EXAMPLES = 12, 3
COLUMNS = (
    *("encoder", "product_id", "label_id", "label_name", "suggested_id", "suggested_name"),
    *("score", "suggested_probability", "delivery"),
)


@dg.asset(
    deps=[encoders, embeddings],
    partitions_def=encoder_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def suspect_labels(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Training labels that confident learning finds wrong, by out-of-fold predictions on embeddings; worst first."""
    name = context.partition_key
    import catalog.dataset.label_noise as noise
    from ml.classifiers.out_of_fold import folds, out_of_fold_probabilities
    from ml.vectors import LabeledEmbeddings

    rows = dataset.filter(labeled, split="train").collect()
    first = rows.sort("label_rank", "product_id").head(MAX_LABELS)
    examined = first.filter(pl.len().over(LEAVES) >= MIN_IMAGES)
    if examined.is_empty():
        raise dg.Failure(
            f"no leaf has {MIN_IMAGES} of the {len(rows)} labeled training images, too few to find a wrong label; "
            "add a delivery with labels"
        )
    leaves = examined[LEAVES].to_numpy(writable=True)
    groups = examined["group_id"].rank("dense").cast(pl.Int64).to_numpy()
    known, labels = np.unique(leaves, return_inverse=True)
    with compute.session() as session:
        train = LabeledEmbeddings(StoredEmbeddings(store, name).of(examined), leaves)
        probabilities = out_of_fold_probabilities(train, folds(labels, groups), session.device)
    suspects = noise.suspect_labels(labels, probabilities)
    frame = _frame(name, examined, suspects, known, store.category_names())
    metadata: dict[str, dg.MetadataValue | float | int] = {
        "dagster/row_count": len(frame),
        "labels examined": len(examined),
        "labels left out": len(rows) - len(examined),
        "out-of-fold accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        "device_seconds": session.device_seconds,
    }
    if len(frame):
        preview = frame.head(SHOWN).select(
            "product_id", "label_name", "suggested_name", "score", "suggested_probability"
        )
        metadata["most suspect"] = dg.MetadataValue.md(table(preview))
        sheet = _sheet(examined, suspects.head(SHOWN), probabilities, labels, stored_images)
        caption = f"one suspect per row, then {SHOWN_EXAMPLES} of its label, then {SHOWN_EXAMPLES} of the suggested one"
        metadata["images"] = dg.MetadataValue.md(image_markdown(sheet, caption))
    return dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=metadata)


def _frame(
    encoder: str, rows: pl.DataFrame, suspects: pl.DataFrame, known: np.ndarray, names: dict[int, str]
) -> pl.DataFrame:
    """The table's rows; `suspects` has positions in `rows`, and classes as positions in `known`, the leaves' ids."""
    ids = {"label_id": known[suspects["label"]], "suggested_id": known[suspects["suggested"]]}
    frame = (
        rows[suspects["position"]]
        .select("product_id", "delivery")
        .with_columns(
            pl.lit(encoder).alias("encoder"),
            *(pl.Series(column, values) for column, values in ids.items()),
            suspects["score"],
            suspects["suggested_probability"],
        )
    )
    return frame.with_columns(
        pl.col(column).replace_strict(names, default=None, return_dtype=pl.String).alias(f"{column[:-3]}_name")
        for column in ids
    ).select(COLUMNS)


def _sheet(
    rows: pl.DataFrame,
    suspects: pl.DataFrame,
    probabilities: np.ndarray,
    labels: np.ndarray,
    stored_images: StoredImages,
) -> bytes:
    """A PNG: each suspect, and beside it the most probable images of its label and of the suggested one."""
    from catalog.images.contact_sheet import contact_sheet

    images = []
    for position, own, suggested in suspects.select("position", "label", "suggested").iter_rows():
        examples = [*_surest(own, probabilities, labels), *_surest(suggested, probabilities, labels)]
        images.append(stored_images.read(rows[[position, *examples]]))
    return contact_sheet(images)


def _surest(leaf: int, probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """Positions of the images of a leaf with the highest probability of it."""
    members = np.flatnonzero(labels == leaf)
    best = members[np.argsort(-probabilities[members, leaf], kind="stable")[:SHOWN_EXAMPLES]]
    return [int(each) for each in best]
