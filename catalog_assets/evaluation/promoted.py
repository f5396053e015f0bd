"""Promoted classifiers: the files that the store keeps of each, and the champion, which is the one promoted last."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from catalog.storage.files import replace_file
from catalog_assets.classifiers.lookup import RECORD_FILE
from resources.store import Store

TABLE = "champion_decisions"
PREDICTIONS_FILE = "predictions.parquet"
CHOSEN_ON = ("val", 4, "value_weighted_accuracy")  # golden and test products only evaluate; they choose nothing


def promoted_folder(store: Store, sha256: str) -> Path:
    """Return the folder of a classifier that was ever promoted; no training writes to it."""
    return store.sync_down(TABLE, sha256[:16])


def promoted_record(store: Store, sha256: str) -> dict[str, Any]:
    """Return the record of a promoted classifier's training; dg.Failure where its files are gone."""
    record = store.read_json(TABLE, sha256[:16], RECORD_FILE)
    if record is None:
        raise dg.Failure(f"the champion's files are not at {str(promoted_folder(store, sha256))!r}; bring them back")
    return record


def promoted_predictions(store: Store, sha256: str) -> pl.DataFrame:
    """Return the predictions by which a classifier was promoted, rows of the table `predictions`."""
    return pl.read_parquet(promoted_folder(store, sha256) / PREDICTIONS_FILE, glob=False)


def keep(store: Store, sha256: str, predictions: pl.DataFrame, files: Sequence[Path]) -> None:
    """Copy a classifier's files, and the predictions by which it is promoted, to its own folder."""
    with store.writing(TABLE, sha256[:16]) as path:
        folder = UPath(path)
        with replace_file(folder / PREDICTIONS_FILE) as target:
            predictions.write_parquet(target)
        for file in files:
            with file.open("rb") as source, replace_file(folder / file.name) as target:
                shutil.copyfileobj(source, target)


def last_promoted(decisions: pl.DataFrame) -> dict[str, Any] | None:
    """Return the decision by which the champion was promoted, the last promoted row; None before the first."""
    promoted = decisions.filter("promoted")
    return promoted.row(-1, named=True) if len(promoted) else None


def current_champion(store: Store) -> dict[str, Any] | None:
    """Return the champion's record, derived from the last promoted decision; None before the first."""
    decision = last_promoted(store.scan(TABLE).collect()) if store.holds(TABLE) else None
    return None if decision is None else champion_record(store, decision)


def champion_record(store: Store, decision: dict[str, Any]) -> dict[str, Any]:
    """Return the content of champion.json, for the decision that promoted the champion."""
    split, _, metric = CHOSEN_ON
    sha256 = decision["candidate_sha256"]
    return {
        "classifier": decision["candidate"],
        "sha256": sha256,
        "promoted_at": decision["decided_at"].isoformat(),
        "trainable_labels": promoted_record(store, sha256)["trainable_labels"],
        "split": split,
        "metric": metric,
        "value": decision["validation_value"],
        "decided_on": decision["split"],
        "reason": decision["reason"],
        "version": decision["version"],
    }
