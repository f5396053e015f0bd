"""Tables of the encoders: embeddings and their quality."""

from __future__ import annotations

import polars as pl

from catalog.evaluation.scores import SCORE_SCHEMA
from catalog.schema.columns import Column, TableDescription, columns, flag, integer, number, text

_VECTOR = pl.List(pl.Float32())
_SCORE_COLUMNS = columns(
    SCORE_SCHEMA,
    metric="Name of the metric.",
    value="Its value.",
    ci_low="Lower end of its 95 % interval.",
    ci_high="Upper end of its 95 % interval.",
    num_samples="Evaluated products.",
)

ENCODERS = {
    "embeddings": TableDescription(
        "Embeddings of the usable products by an encoder, one row per product.",
        {
            "product_id": text("Product."),
            "sha256": text("SHA-256 of its image."),
            "embedding": Column(_VECTOR, "Embedding; its length is the encoder's."),
        },
    ),
    "title_embeddings": TableDescription(
        "Embeddings of the usable products' titles by a sentence encoder, one row per product.",
        {
            "product_id": text("Product."),
            "title_hash": text("Hash of its title, 128 bits in hexadecimal digits."),
            "embedding": Column(_VECTOR, "Embedding; all zeros for a title without a word."),
        },
    ),
    "encoder_quality": TableDescription(
        "Quality of an encoder's frozen embeddings on validation images, one row a metric and category.",
        {
            "encoder": text("Encoder."),
            "split": text("Split of the evaluated images."),
            "level": integer("Level of the taxonomy.", pl.Int32),
            "category_id": integer("Leaf that the row is about; null for all images."),
            **_SCORE_COLUMNS,
        },
    ),
    "embedding_drift": TableDescription(
        "Distance of each delivery's images from the training images of all other deliveries, by encoder.",
        {
            "delivery": text("Delivery."),
            "partner_id": text("Its partner."),
            "num_images": integer("Images of the delivery."),
            "num_training": integer("Training images of the other deliveries."),
            "energy": number("Energy coefficient of the two samples, 0 (alike) to 1."),
            "p_value": number("Probability of as large a coefficient by chance."),
            "is_shifted": flag("True for a large coefficient that chance does not explain."),
        },
    ),
}
