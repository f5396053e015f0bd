"""Predictions: the best categories of every labeled product that no classifier is trained on."""

import dagster as dg
import polars as pl

from catalog.dataset.columns import HELD_OUT, LEVEL_COLUMNS, labeled
from catalog_assets.classifiers.predictor import PREDICTOR_DEPS, Predictor
from catalog_assets.idioms.conditions import when_trained
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import evaluated_classifiers
from resources.compute import Compute
from resources.images import StoredImages
from resources.store import Store

LEVELS = (1, 2, 3, 4)


@dg.asset(
    deps=PREDICTOR_DEPS,
    partitions_def=evaluated_classifiers,
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=when_trained,
)
@retried(DEVICE)
def predictions(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[None]:
    """The five best categories at every level, for each labeled product that no classifier is trained on."""
    name = context.partition_key
    with compute.session() as session:
        predictor = Predictor(dataset.collect(), store, stored_images, session.device)
        rows, levels = predictor.predict(name, pl.col("split").is_in(HELD_OUT) & labeled)
    frame = rows.select("product_id", "split").with_columns(
        column
        for level, best in zip(LEVELS, levels, strict=True)
        for column in (
            rows[LEVEL_COLUMNS[level - 1]].alias(f"true_{level}"),
            pl.Series(f"top_{level}", best.ids.tolist(), dtype=pl.List(pl.Int64)),
            pl.Series(f"probability_{level}", best.probabilities.tolist(), dtype=pl.List(pl.Float32)),
        )
    )
    for (split,), part in frame.group_by("split"):
        store.write(part, "predictions", name, str(split))
    return dg.MaterializeResult(
        data_version=content_version(frame),
        metadata={"dagster/row_count": len(frame), "device_seconds": session.device_seconds},
    )


def prediction_files(store: Store, name: str) -> dict[str, list[str]]:
    """Return the files of a classifier's predictions, by held-out split that has any.

    Raises FileNotFoundError where none has.
    """
    files = {split: sorted(map(str, store.folder("predictions", name, split).glob("*.parquet"))) for split in HELD_OUT}
    if not any(files.values()):
        raise FileNotFoundError(f"classifier {name!r} has no predictions; materialize predictions[{name}]")
    return {split: paths for split, paths in files.items() if paths}


def key_columns(name: str, split: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the key columns of a table's rows of one classifier on one split."""
    return pl.lit(name).alias("classifier"), pl.lit(split).alias("split")
