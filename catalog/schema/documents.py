"""JSON files of the store that the warehouse shows as tables."""

from __future__ import annotations

import polars as pl

from catalog.schema.columns import Column, TableDescription, integer, number, text

DOCUMENTS = {
    "deliveries": TableDescription(
        "Registered deliveries, one row each.",
        {
            "delivery": text("Key of the delivery, the partition of its tables."),
            "feed_key": text("Key of the feed that it belongs to: partner and file name."),
            "feed": text("Feed file."),
            "received_at": Column(pl.Datetime("us", "UTC"), "Time at which the version that is served arrived."),
            "sha256": text("SHA-256 of the feed file."),
            "first_row": integer("First row of the part of a large feed; null for a whole one."),
            "num_rows": integer("Rows of the part of a large feed; null for a whole one."),
        },
    ),
    "encoders": TableDescription(
        "Encoders of the library, one row each.",
        {"name": text("Encoder."), "description": text("Its record as JSON: recipe, origin, inputs, costs.")},
    ),
    "classifiers": TableDescription(
        "Trained classifiers and students, one row each.",
        {"name": text("Classifier."), "description": text("Its record as JSON: recipe, encoder, inputs, costs.")},
    ),
    "similarity_indexes": TableDescription(
        "Similarity indexes, one row an encoder.",
        {
            "encoder": text("Encoder of the embeddings."),
            "kind": text("Kind of the index."),
            "num_vectors": integer("Indexed products."),
            "dim": integer("Length of an embedding."),
            "bytes": integer("Size of the index."),
            "recall_at_10": number("Share of the ten nearest neighbors that the index finds."),
        },
    ),
    "champion": TableDescription(
        "The current champion, one row.",
        {
            "classifier": text("Champion."),
            "split": text("Split of `value`."),
            "metric": text("Metric that candidates are ranked by."),
            "value": number("Its value."),
            "trainable_labels": integer("Labels that the dataset had for training."),
            "sha256": text("SHA-256 of its weights."),
            "decided_on": text("Split that confirmed the promotion."),
            "reason": text("Reason of the decision, in words."),
            "version": text("Version of the model in MLflow."),
        },
    ),
}
