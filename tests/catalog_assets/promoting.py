"""A champion in an empty store, as `champion_decisions` and `champion` leave it."""

from datetime import UTC, datetime

import polars as pl

from catalog_assets.evaluation.decisions_table import SCHEMA, TABLE
from catalog_assets.evaluation.promoted import PREDICTIONS_FILE, promoted_folder
from resources.store import Store

PROMOTED_AT = datetime(2026, 11, 1, tzinfo=UTC)
SHA256 = "a" * 64


def write_champion(
    store: Store, classifier: str, *, trainable_labels: int = 600, predictions: pl.DataFrame | None = None
) -> None:
    """Write the decision that promoted the classifier on golden products, and its files."""
    decision = {
        "decided_at": PROMOTED_AT,
        "candidate": classifier,
        "candidate_sha256": SHA256,
        "validation_value": 0.9,
        "split": "golden",
        "promoted": True,
        "reason": f"{classifier} is the first champion",
        "version": "1",
    }
    store.write(pl.DataFrame([decision], schema=SCHEMA), TABLE)
    store.write_json({"sha256": SHA256, "trainable_labels": trainable_labels}, TABLE, SHA256[:16], "classifier.json")
    if predictions is not None:
        predictions.write_parquet(promoted_folder(store, SHA256) / PREDICTIONS_FILE)
