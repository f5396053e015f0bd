"""Evaluation: predictions on held-out splits, figures with intervals, confusions, and the grid of all classifiers."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from catalog.business_value import values_at_level
from catalog.calibration_curve import draw_calibration
from catalog.confusion import draw_confusion, largest_confusions, leaf_table, most_valuable, read_confusion
from catalog.judging import judge
from catalog.scores import METRICS
from catalog_assets.answering import WHOEVER_ANSWERS, Answering, members_of
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import when_trained, when_upstream_changes
from catalog_assets.markdown import picture, records, table
from catalog_assets.partitions import judged_classifiers
from catalog_assets.taxonomies import taxonomy
from catalog_assets.versions import content_version
from ml.recipes import ENSEMBLE_RECIPES
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store

LEVELS = (1, 2, 3, 4)
HELD_OUT = ("val", "test", "golden")
SHOWN_LEAVES = 50  # the most valuable ones


@dg.asset(
    deps=WHOEVER_ANSWERS,
    partitions_def=judged_classifiers,
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=when_trained,
)
def predictions(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
) -> dg.MaterializeResult[None]:
    """The five best categories at every level, for each labelled product that no classifier is trained on."""
    name = context.partition_key
    with compute.session() as session:
        asked = Answering(dataset.collect(), store, pictures, session.device)
        rows, predicted = asked.best(name, pl.col("split").is_in(HELD_OUT) & labelled)
    frame = rows.select("product_id", "split").with_columns(
        column
        for level, best in zip(LEVELS, predicted, strict=True)
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


@dg.asset(
    deps=[predictions, taxonomy],
    partitions_def=judged_classifiers,
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "matplotlib"},
    code_version="2",
    automation_condition=when_trained,
)
def metrics(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Every registered metric, by split and level, with a bootstrap interval of 95 %; and the calibration curves."""
    name = context.partition_key
    tree = store.taxonomy()
    values = store.business_values(tree)
    judged = {split: judge(files, tree, values) for split, files in _files(store, name).items()}
    frame = pl.concat(each.scores.select(*_head(name, split), pl.all()) for split, each in judged.items())
    curves = pl.concat(each.calibration.select(*_head(name, split), pl.all()) for split, each in judged.items())
    store.write(curves, "calibration", name)
    leaves = frame.filter(pl.col("level") == LEVELS[-1]).drop("classifier", "level")
    by_value = frame.filter(pl.col("metric") == "value_weighted_accuracy").drop("classifier", "metric")
    panels = [
        (f"{split}: how sure, how often right", each.calibration.filter(pl.col("level") == LEVELS[-1]))
        for split, each in judged.items()
    ]
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "leaf level": dg.MetadataValue.md(table(leaves)),
            "weighted by business value": dg.MetadataValue.md(table(by_value)),
            "calibration": dg.MetadataValue.md(picture(draw_calibration(panels), f"calibration of {name}")),
        },
    )


@dg.asset(
    deps=[predictions, taxonomy],
    partitions_def=judged_classifiers,
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "matplotlib"},
    code_version="2",
    automation_condition=when_trained,
)
def confusion(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Which category is taken for which, by split and level, and the business value at stake."""
    name = context.partition_key
    names = store.category_names()
    values = _values_by_level(store)
    frames: list[pl.DataFrame] = []
    metadata: dict[str, dg.MarkdownMetadataValue | dg.TableMetadataValue | str] = {}
    for split, files in _files(store, name).items():
        for level in LEVELS:
            cells = read_confusion(files, level, values[level])
            frames.append(cells.select(*_head(name, split), pl.lit(level, dtype=pl.Int32).alias("level"), pl.all()))
        # The last level's cells: the leaves.
        shown = most_valuable(cells, values[LEVELS[-1]], SHOWN_LEAVES)
        drawn = draw_confusion(cells, shown, names)
        metadata[f"{split}: confusion of the most valuable leaves"] = dg.MetadataValue.md(
            picture(drawn, f"{name} on {split}")
        )
        metadata[f"{split}: the most valuable leaves"] = records(leaf_table(cells, shown, names))
        metadata[f"{split}: largest"] = "; ".join(largest_confusions(cells, names, 3))
    frame = pl.concat(frames)
    return dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=metadata)


@dg.asset(
    deps=[metrics],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet"},
    code_version="2",
    automation_condition=when_upstream_changes,
)
def comparison(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The grid: whatever was judged, its scores on the held-out products, and what it costs."""
    judged = judged_classifiers.get_partition_keys()
    rows = [row for name in judged if (row := _comparison_row(store, name)) is not None]
    if not rows:
        raise dg.Failure("no classifier has been judged; materialise metrics for at least one recipe first")
    frame = pl.DataFrame(rows, infer_schema_length=None).sort("top1", descending=True)
    return dg.MaterializeResult(
        value=frame, data_version=content_version(frame), metadata={"grid": dg.MetadataValue.md(table(frame))}
    )


def _comparison_row(store: Store, name: str) -> dict[str, object] | None:
    """One classifier's line, judged on golden where there is a golden delivery, on test elsewhere."""
    records = [store.read_json("classifiers", member, "classifier.json") for member in members_of(name)]
    path = store.folder("metrics", name) / "data.parquet"
    if None in records or not path.exists():
        return None
    leaves = store.scan("metrics", [name]).filter(pl.col("level") == LEVELS[-1]).collect()
    split = "golden" if "golden" in leaves["split"] else "test"
    judged = {row["metric"]: row for row in leaves.filter(pl.col("split") == split).iter_rows(named=True)}
    scores = {  # without a mistake there is no distance of mistakes
        f"{metric}{suffix}": judged[metric][column] if metric in judged else None
        for metric in METRICS
        for suffix, column in (("", "value"), ("_low", "ci_low"), ("_high", "ci_high"))
    }
    return {"classifier": name, **_made_of(name, [record for record in records if record]), "split": split, **scores}


def _made_of(name: str, records: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """What is told of a classifier's making, of its members together."""
    recipes = [record["recipe"] for record in records]
    taught = recipes[0]["distillation"]
    return {
        "kind": "ensemble" if name in ENSEMBLE_RECIPES else "student" if taught else "classifier",
        "encoder": " + ".join(dict.fromkeys(recipe["encoder"] for recipe in recipes)),
        "origin": " + ".join(dict.fromkeys(record["encoder"]["origin"] for record in records)),
        "mode": ENSEMBLE_RECIPES[name].combination if name in ENSEMBLE_RECIPES else recipes[0]["mode"],
        "teacher": taught["teacher"] if taught else None,
        "label_fraction": max(recipe["label_fraction"] for recipe in recipes),
        "num_labels": max(record["num_labels"] for record in records),
        "training_seconds": sum(record["device_seconds"] for record in records),
        "num_parameters": sum(record["num_parameters"] for record in records),
        "ms_per_picture": sum(record["ms_per_picture"] for record in records),
    }


def _files(store: Store, name: str) -> dict[str, list[str]]:
    """The files of a classifier's predictions, by held-out split that has any; FileNotFoundError where none has."""
    files = {split: sorted(map(str, store.folder("predictions", name, split).glob("*.parquet"))) for split in HELD_OUT}
    if not any(files.values()):
        raise FileNotFoundError(f"classifier {name!r} has no predictions; materialise predictions[{name}]")
    return {split: held for split, held in files.items() if held}


def _head(name: str, split: str) -> tuple[pl.Expr, pl.Expr]:
    """The key columns of a table of one classifier on one split."""
    return pl.lit(name).alias("classifier"), pl.lit(split).alias("split")


def _values_by_level(store: Store) -> dict[int, dict[int, float]]:
    """Units sold by category, for each level."""
    taxonomy = store.taxonomy()
    values = store.business_values(taxonomy)
    return {level: values_at_level(values, taxonomy, level) for level in LEVELS}
