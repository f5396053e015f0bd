"""Metrics: the scores of a classifier's predictions, and its calibration curves."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from catalog.evaluation.calibration import draw_calibration
from catalog.evaluation.evaluate import evaluate
from catalog_assets.evaluation.predictions import LEVELS, key_columns, prediction_files, predictions
from catalog_assets.idioms.conditions import when_trained
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.taxonomies import taxonomy
from catalog_assets.partitions import evaluated_classifiers
from resources.store import Store


@dg.multi_asset(
    name="evaluate_predictions",
    deps=[predictions, taxonomy],
    partitions_def=evaluated_classifiers,
    group_name="evaluation",
    outs={
        "metrics": dg.AssetOut(
            description="Every registered metric, by split and level, with a 95 % bootstrap interval.",
            io_manager_key="tables",
            kinds={"parquet"},
            code_version="2",
            automation_condition=when_trained,
        ),
        "calibration": dg.AssetOut(
            description="Calibration curves by split and level: the accuracy of predictions, by their confidence.",
            io_manager_key="tables",
            kinds={"parquet", "matplotlib"},
            code_version="1",
            automation_condition=when_trained,
        ),
    },
)
def metrics(context: dg.AssetExecutionContext, store: Store) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Read a classifier's predictions once, and compute its scores and its calibration curves."""
    name = context.partition_key
    tree = store.taxonomy()
    values = store.business_values(tree)
    evaluations = {split: evaluate(files, tree, values) for split, files in prediction_files(store, name).items()}
    scores = pl.concat(each.scores.select(*key_columns(name, split), pl.all()) for split, each in evaluations.items())
    is_leaf = pl.col("level") == LEVELS[-1]
    by_value = scores.filter(pl.col("metric") == "value_weighted_accuracy").drop("classifier", "metric")
    yield dg.MaterializeResult(
        asset_key="metrics",
        value=scores,
        data_version=content_version(scores),
        metadata={
            "leaf level": dg.MetadataValue.md(table(scores.filter(is_leaf).drop("classifier", "level"))),
            "weighted by business value": dg.MetadataValue.md(table(by_value)),
        },
    )
    curves = pl.concat(
        each.calibration.select(*key_columns(name, split), pl.all()) for split, each in evaluations.items()
    )
    panels = [
        (f"{split}: accuracy by confidence", each.calibration.filter(is_leaf)) for split, each in evaluations.items()
    ]
    yield dg.MaterializeResult(
        asset_key="calibration",
        value=curves,
        data_version=content_version(curves),
        metadata={
            "calibration": dg.MetadataValue.md(image_markdown(draw_calibration(panels), f"calibration of {name}"))
        },
    )
