"""Comparison: a row for each classifier, student and ensemble with its scores and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from catalog.evaluation.scores import METRICS
from catalog_assets.classifiers.lookup import asset_of, classifier_record, members_of
from catalog_assets.evaluation.predictions import LEVELS
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import evaluated_classifiers
from resources.recipes import RECIPES
from resources.store import Store


@dg.asset(
    deps=["metrics"],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet"},
    code_version="2",
    automation_condition=when_upstream_changes,
)
def comparison(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The grid: every evaluated classifier, its scores on the held-out products, and what it costs."""
    names = evaluated_classifiers.get_partition_keys()
    rows = [row for name in names if (row := _row(store, name)) is not None]
    if not rows:
        raise dg.Failure("no classifier was evaluated; materialize metrics for at least one recipe first")
    types = {"teacher": pl.String, "distance_of_mistakes": pl.Float64}  # may be null in every row
    types |= {f"distance_of_mistakes_{end}": pl.Float64 for end in ("low", "high")}
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=types).sort("top1", descending=True)
    return dg.MaterializeResult(
        value=frame, data_version=content_version(frame), metadata={"grid": dg.MetadataValue.md(table(frame))}
    )


def _row(store: Store, name: str) -> dict[str, object] | None:
    """One classifier's row, with its scores on golden where there is a golden delivery, on test elsewhere."""
    records = [classifier_record(store, member) for member in members_of(name)]
    if None in records or not store.holds("metrics", name):
        return None
    leaves = store.scan("metrics", [name]).filter(pl.col("level") == LEVELS[-1]).collect()
    split = "golden" if "golden" in leaves["split"] else "test"
    by_metric = {row["metric"]: row for row in leaves.filter(pl.col("split") == split).iter_rows(named=True)}
    scores = {  # without a mistake, the mean distance of mistakes is undefined
        f"{metric}{suffix}": by_metric[metric][column] if metric in by_metric else None
        for metric in METRICS
        for suffix, column in (("", "value"), ("_low", "ci_low"), ("_high", "ci_high"))
    }
    return {"classifier": name, **_training(name, [record for record in records if record]), "split": split, **scores}


def _training(name: str, records: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The training and the cost of a classifier, its members' together."""
    recipes = [record["recipe"] for record in records]
    distillation = recipes[0]["distillation"]
    return {
        "kind": asset_of(name).removesuffix("s"),
        "encoder": " + ".join(dict.fromkeys(recipe["encoder"] for recipe in recipes)),
        "origin": " + ".join(dict.fromkeys(record["encoder"]["origin"] for record in records)),
        "mode": RECIPES.ensembles[name].combination if name in RECIPES.ensembles else recipes[0]["mode"],
        "teacher": distillation["teacher"] if distillation else None,
        "label_fraction": max(recipe["label_fraction"] for recipe in recipes),
        "num_labels": max(record["num_labels"] for record in records),
        "training_seconds": sum(record["device_seconds"] for record in records),
        "num_parameters": sum(record["num_parameters"] for record in records),
        "ms_per_image": sum(record["ms_per_image"] for record in records),
    }
