"""Candidates: which classifier asks for the champion's place, and how it does beside the champion."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from catalog.comparison import PairedComparison, compare
from catalog.files import content_hash
from catalog_assets.history import latest
from ml.recipes import STUDENT_RECIPES
from resources.store import Store

CHOSEN_ON = ("val", 4, "value_weighted_accuracy")  # golden and test only judge; they choose nothing
# The tag that says which version predictions are of: Dagster hashes the versions of an input's partitions.
MADE_FROM = "dagster/input_data_version/{}"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A classifier's predictions on the split that decides: golden where there is one, test elsewhere."""

    split: str
    rows: pl.DataFrame

    @property
    def pictures_sha256(self) -> str:
        """Which products and labels they are of."""
        return content_hash(self.rows.select("product_id", "true_4").sort("product_id"))


def best_on_validation(comparison: pl.LazyFrame, store: Store) -> tuple[str, float]:
    """The candidate, and its score by value on leaves of the validation split."""
    # An ensemble is no single artefact; what it knows can be distilled into one.
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


def classifier_record(store: Store, name: str) -> dict[str, Any]:
    """What was recorded when the classifier was made."""
    record = store.read_json("classifiers", name, "classifier.json")
    if record is None:
        raise dg.Failure(f"classifier {name!r} has metrics but no record; materialise classifiers[{name}] again")
    return record


def answers_of(store: Store, name: str) -> Answers:
    """The classifier's answers as the store has them now."""
    predicted = store.predictions(name)
    split = "golden" if "golden" in predicted["split"] else "test"
    rows = predicted.filter(pl.col("split") == split)
    if rows.is_empty():
        raise dg.Failure(f"classifier {name!r} predicted nothing on golden or test; label some of their products")
    return Answers(split=split, rows=rows)


def refuse_others_predictions(instance: dg.DagsterInstance, name: str, sha256: str) -> None:
    """Predictions of another version of the classifier would say nothing about this one."""
    made = latest(instance, "predictions", name)
    asset = "students" if name in STUDENT_RECIPES else "classifiers"
    made_from = (made.tags or {}).get(MADE_FROM.format(asset)) if made else None
    if made_from is not None and made_from != hashlib.sha256(sha256.encode()).hexdigest():
        raise dg.Failure(f"predictions[{name}] are not of the classifier as it is now; materialise them again")


def beside_champion(
    store: Store, record: Mapping[str, Any], answers: Answers, champion: Mapping[str, Any]
) -> tuple[PairedComparison, float]:
    """How a candidate does beside the champion, and its time a picture over the champion's.

    `champion` is the decision that made it one. UnpairedError where the two were not judged by the same pictures.
    """
    name, sha256 = champion["candidate"], champion["candidate_sha256"]
    theirs = pl.read_parquet(kept_folder(store, sha256) / "answers.parquet", glob=False)
    current = store.read_json("classifiers", name, "classifier.json")
    if current is not None and current["sha256"] == sha256:  # then it was judged again when golden pictures came
        theirs = answers_of(store, name).rows
    compared = compare(answers.rows, theirs, store.business_values(store.taxonomy()))
    return compared, record["ms_per_picture"] / kept_record(store, sha256)["ms_per_picture"]


def kept_folder(store: Store, sha256: str) -> Path:
    """Where a classifier that was ever promoted is kept, whatever its recipe is trained to later."""
    return store.here("champion", sha256[:16])


def kept_record(store: Store, sha256: str) -> dict[str, Any]:
    """What was recorded when a classifier that was promoted was made."""
    record = store.read_json("champion", sha256[:16], "classifier.json")
    if record is None:
        raise dg.Failure(f"the champion's files are not at {str(kept_folder(store, sha256))!r}; bring them back")
    return record


def keep(store: Store, sha256: str, answers: Answers, files: list[Path]) -> None:
    """A champion's files and what it answered, at a place that no training writes to."""
    folder = kept_folder(store, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    answers.rows.write_parquet(folder / "answers.parquet")
    for file in files:
        shutil.copy(file, folder)
    store.put_back("champion", sha256[:16])
