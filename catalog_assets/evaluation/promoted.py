"""Promoted classifiers: the files that the store keeps of each, and the champion, which is the one promoted last.

The files lie below the first digits of the classifier's SHA-256. They are compared with it as they are written and as
they are read.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from catalog.storage.files import replace_file
from catalog_assets.classifiers.lookup import RECORD_FILE
from catalog_assets.evaluation.decisions_table import TABLE, read_decisions
from ml.file_digests import file_sha256
from resources.store import Store

PREDICTIONS_FILE, WEIGHTS_FILE = "predictions.parquet", "weights.safetensors"
CHOSEN_ON = ("val", 4, "value_weighted_accuracy")  # golden and test products only evaluate; they choose nothing
_CHUNK_BYTES = 1 << 20


def promoted_folder(store: Store, sha256: str) -> Path:
    """Return the folder of a classifier that was ever promoted; no training writes to it."""
    return store.sync_down(TABLE, sha256[:16])


def promoted_classifier(store: Store, sha256: str) -> Path:
    """Return the folder of a promoted classifier's weights and record; dg.Failure where they are another's, or gone."""
    promoted_record(store, sha256)
    weights = promoted_folder(store, sha256) / WEIGHTS_FILE
    if not weights.is_file():
        raise dg.Failure(f"the champion's weights are not at {str(weights)!r}; bring them back")
    if (found := file_sha256(weights)) != sha256:
        raise dg.Failure(
            f"{str(weights)!r} is kept as {sha256}, but has the hash {found}; bring the promoted file back"
        )
    return weights.parent


def promoted_record(store: Store, sha256: str) -> dict[str, Any]:
    """Return the record of a promoted classifier's training; dg.Failure where it is another's, or gone."""
    record = store.read_json(TABLE, sha256[:16], RECORD_FILE)
    if record is None:
        raise dg.Failure(f"the champion's files are not at {str(promoted_folder(store, sha256))!r}; bring them back")
    if record["sha256"] != sha256:
        path = promoted_folder(store, sha256) / RECORD_FILE
        raise dg.Failure(
            f"{str(path)!r} is kept as {sha256}, but is the record of {record['sha256']}; bring the promoted files back"
        )
    return record


def promoted_predictions(store: Store, sha256: str) -> pl.DataFrame:
    """Return the predictions by which a classifier was promoted, rows of the table `predictions`."""
    return pl.read_parquet(promoted_folder(store, sha256) / PREDICTIONS_FILE, glob=False)


def keep(store: Store, sha256: str, predictions: pl.DataFrame, files: Sequence[Path]) -> None:
    """Copy a classifier's files, and the predictions by which it is promoted, to its own folder.

    Args:
        store: the store.
        sha256: of the classifier that was evaluated.
        predictions: on the split that decided.
        files: its weights and its record.

    Raises:
        dg.Failure: the files are another classifier's, because it was trained again since it was evaluated; or the
            folder is kept for another one, whose hash has the same first digits.
    """
    former = store.read_json(TABLE, sha256[:16], RECORD_FILE)
    if former is not None and former["sha256"] != sha256:
        raise dg.Failure(
            f"{str(promoted_folder(store, sha256))!r} is kept for {former['sha256']}, so {sha256} cannot be kept "
            "there; train the classifier again with another seed"
        )
    with store.writing(TABLE, sha256[:16]) as path:
        folder = UPath(path)
        with replace_file(folder / PREDICTIONS_FILE) as target:
            predictions.write_parquet(target)
        for file in files:
            with file.open("rb") as source, replace_file(folder / file.name) as target:
                digest = hashlib.sha256()
                while chunk := source.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
                found = json.loads(file.read_bytes())["sha256"] if file.name == RECORD_FILE else digest.hexdigest()
                if found != sha256:
                    raise dg.Failure(
                        f"{str(file)!r} is of {found}, but {sha256} was evaluated: the classifier was trained again "
                        "meanwhile; materialize predictions and metrics again"
                    )


def current_champion(store: Store) -> dict[str, Any] | None:
    """Return the champion's record, derived from the last promoted decision; None before the first."""
    decision = read_decisions(store).last_promoted
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
