"""Attribute metrics: the scores of an attribute's classifier on held-out products."""

import dagster as dg
import polars as pl

from catalog.dataset.columns import HELD_OUT
from catalog.evaluation.bootstrap import blocks_of
from catalog.evaluation.level_predictions import LabeledPredictions
from catalog.evaluation.scores import level_sums, score
from catalog_assets.classifiers.attribute_classifiers import attribute_classes
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import attribute_recipes
from resources.store import Store


@dg.asset(
    partitions_def=attribute_recipes,
    io_manager_key="tables",
    group_name="classifiers",
    kinds={"parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def attribute_metrics(
    context: dg.AssetExecutionContext, attribute_predictions: pl.LazyFrame, store: Store
) -> dg.MaterializeResult[pl.DataFrame]:
    """The scores of an attribute's predictions with 95 % bootstrap intervals, on each split that has labels."""
    name = context.partition_key
    indices = {label: index for index, label in enumerate(attribute_classes(store, name))}
    has_class = pl.col("label").is_in(list(indices)) & pl.col("split").is_in(HELD_OUT)
    evaluated = attribute_predictions.filter(has_class).collect()
    frames = [
        _scores(part, indices).select(pl.lit(name).alias("attribute"), pl.lit(split).alias("split"), pl.all())
        for (split,), part in evaluated.group_by("split", maintain_order=True)
    ]
    if not frames:
        raise dg.Failure(
            f"no product of {', '.join(HELD_OUT)} has a label of attribute {name!r} that training knows; "
            "deliver more products with it"
        )
    frame = pl.concat(frames).sort("split", "metric")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={"scores": dg.MetadataValue.md(table(frame.drop("attribute")))},
    )


def _scores(part: pl.DataFrame, indices: dict[str, int]) -> pl.DataFrame:
    """The scores of the predictions of one split, whose labels are all classes."""
    true, predicted = (part[column].replace_strict(indices, return_dtype=pl.Int64) for column in ("label", "predicted"))
    predictions = LabeledPredictions(
        true_ids=true.to_numpy(),
        predicted_ids=predicted.to_numpy(),
        in_top5=part.select(pl.col("top_5").list.contains(pl.col("label"))).to_series().to_numpy(),
        confidences=part["probability"].to_numpy(),
    )
    return score(level_sums(predictions, blocks_of(len(part))))
