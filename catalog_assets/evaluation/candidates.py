"""Candidates: the classifier that leads on validation, its record and predictions, its comparison with the champion."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from catalog.evaluation.comparison import PairedComparison, compare
from catalog.storage.content_hash import content_hash
from catalog_assets.classifiers.lookup import asset_of, classifier_record
from catalog_assets.evaluation.promoted import CHOSEN_ON, promoted_predictions, promoted_record
from catalog_assets.idioms.history import latest
from resources.store import Store

# The tag that names the version from which predictions were computed: Dagster hashes an input's partition versions.
INPUT_VERSION_TAG = "dagster/input_data_version/{}"


@dataclass(frozen=True, kw_only=True)
class DecidingPredictions:
    """A classifier's predictions on the split that decides: golden where there is one, test elsewhere."""

    split: str
    rows: pl.DataFrame

    @property
    def images_sha256(self) -> str:
        """A hash of the products and labels that the predictions are of."""
        return content_hash(self.rows.select("product_id", "true_4").sort("product_id"))


def best_on_validation(comparison: pl.LazyFrame, store: Store) -> tuple[str, float]:
    """Return the classifier that leads on the validation split, and its score there by business value, on leaves."""
    # An ensemble is not a single artifact, so it is not a candidate; a student can be distilled from it.
    names = comparison.filter(pl.col("kind") != "ensemble").collect()["classifier"].to_list()
    split, level, metric = CHOSEN_ON
    ranking = (
        store.scan("metrics", names)
        .filter(split=split, level=level, metric=metric)
        .select("classifier", "value")
        .sort("value", "classifier", descending=[True, False])
        .collect()
    )
    if ranking.is_empty():
        raise dg.Failure(f"no classifier has {metric} on {split}, by which a candidate is chosen; label some products")
    name, value = ranking.row(0)
    return name, value


def candidate_record(store: Store, name: str) -> dict[str, Any]:
    """Return the record of a classifier's training; dg.Failure where there is none."""
    record = classifier_record(store, name)
    if record is None:
        raise dg.Failure(f"classifier {name!r} has metrics but no record; materialize {asset_of(name)}[{name}] again")
    return record


def deciding_predictions(store: Store, name: str) -> DecidingPredictions:
    """Return the classifier's predictions on the split that decides; dg.Failure where there are none."""
    predicted = store.predictions(name)
    split = "golden" if "golden" in predicted["split"] else "test"
    rows = predicted.filter(pl.col("split") == split)
    if rows.is_empty():
        raise dg.Failure(f"classifier {name!r} predicted nothing on golden or test; label some of their products")
    return DecidingPredictions(split=split, rows=rows)


def refuse_stale_predictions(instance: dg.DagsterInstance, name: str, sha256: str) -> None:
    """Raise dg.Failure where the predictions were computed by another version of the classifier."""
    newest = latest(instance, "predictions", name)
    input_version = (newest.tags or {}).get(INPUT_VERSION_TAG.format(asset_of(name))) if newest else None
    if input_version is not None and input_version != hashlib.sha256(sha256.encode()).hexdigest():
        raise dg.Failure(f"predictions[{name}] are not of the classifier as it is now; materialize them again")


def compare_with_champion(
    store: Store, record: Mapping[str, Any], predictions: DecidingPredictions, champion: Mapping[str, Any]
) -> tuple[PairedComparison, float]:
    """Compare a candidate with the champion; also returns its time per image divided by the champion's.

    Args:
        store: the store.
        record: the candidate's record.
        predictions: the candidate's predictions.
        champion: the decision that promoted the champion.

    Raises:
        UnpairedError: the two were not evaluated on the same images.
    """
    name, sha256 = champion["candidate"], champion["candidate_sha256"]
    rows = promoted_predictions(store, sha256)
    current = classifier_record(store, name)
    if current is not None and current["sha256"] == sha256:  # then it was evaluated again when golden images came
        rows = deciding_predictions(store, name).rows
    compared = compare(predictions.rows, rows, store.business_values(store.taxonomy()))
    return compared, record["ms_per_image"] / promoted_record(store, sha256)["ms_per_image"]
