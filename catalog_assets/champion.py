"""The champion: the classifier that answers for the catalogue until a better one comes."""

import dagster as dg
import polars as pl

from catalog_assets.conditions import when_upstream_changes
from resources.store import Store

DECIDED_ON = ("val", 4, "value_weighted_accuracy")  # golden and test only judge; they choose nothing


@dg.asset(
    deps=["metrics"],
    group_name="evaluation",
    kinds={"json"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def champion(context: dg.AssetExecutionContext, comparison: pl.LazyFrame, store: Store) -> dg.MaterializeResult[None]:
    """The classifier with the best value-weighted accuracy on the validation split."""
    names = comparison.select("classifier").collect()["classifier"].to_list()
    split, level, metric = DECIDED_ON
    ranking = (
        store.scan("metrics", names)
        .filter(split=split, level=level, metric=metric)
        .select("classifier", "value")
        .sort("value", "classifier", descending=[True, False])
        .collect()
    )
    best, value = ranking.row(0)
    record = store.read_json("classifiers", best, "classifier.json")
    if record is None:
        raise dg.Failure(f"classifier {best!r} has metrics but no record; materialise classifiers[{best}] again")
    before = store.read_json("champion", "champion.json")
    store.write_json(
        {
            "classifier": best,
            "sha256": record["sha256"],
            "trainable_labels": record["trainable_labels"],
            "split": split,
            "metric": metric,
            "value": value,
        },
        "champion",
        "champion.json",
    )
    succeeded = "" if before is None else f" (before: {before['classifier']})"
    context.log.info(f"champion: {best}, {metric} {value:.3f} on {split}{succeeded}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(record["sha256"]),
        metadata={"classifier": best, metric: value, "decided on": split},
    )
