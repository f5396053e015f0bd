"""Tables of the universal catalog, and of its drift."""

from __future__ import annotations

import polars as pl

from catalog.schema.columns import Column, TableDescription, flag, integer, number, text

_ALTERNATIVES = pl.List(pl.Struct({"category_id": pl.Int64(), "probability": pl.Float32()}))

SERVING = {
    "universal_catalog": TableDescription(
        "Predicted category of every product of a delivery that has an image, one row each.",
        {
            "product_id": text("Product."),
            "category_id": integer("Deepest category that reaches the coverage; null where not even the root does."),
            "depth": integer("Level of that category; 0 without one.", pl.Int8),
            "probability": number("Probability of that category.", pl.Float32),
            "leaf_id": integer("Most probable leaf."),
            "leaf_probability": number("Probability of that leaf.", pl.Float32),
            "alternatives": Column(_ALTERNATIVES, "Next most probable leaves, best first."),
            "sha256": text("SHA-256 of the image."),
            "partner_category_id": integer("Label of the partner; null without one."),
            "business_value": number("Units sold of the partner's category; null without one."),
            "path": text("Path of `category_id`."),
            "leaf_path": text("Path of `leaf_id`."),
            "classifier": text("Deployed classifier."),
            "classifier_sha256": text("SHA-256 of its weights."),
            "version": text("Version of the prediction: weights, variant, coverage and calibration."),
            "changed_at": Column(
                pl.Datetime("us", "UTC"),
                "Time at which `category_id` was first predicted for the product, or replaced another category.",
            ),
        },
    ),
    "drift": TableDescription(
        "Predicted categories and downloads of a delivery compared with those of the training products, one row.",
        {
            "delivery": text("Delivery."),
            "num_products": integer("Products of the delivery with a prediction."),
            "num_training": integer("Training products with a prediction."),
            "stability_index": number("Population stability index of the leaves; null without an image."),
            "by_chance": number("Mean of the index without any shift."),
            "beyond_chance": number("Index less that mean, at least 0."),
            "share_uncertain": number("Share of the delivery without a confident leaf."),
            "share_uncertain_training": number("The same share of the training products."),
            "share_without_image": number("Share of the delivery's links without an image."),
            "share_without_image_elsewhere": number("The same share of all other deliveries."),
            "has_shifted": flag("True where the index is large."),
            "is_uncertain": flag("True where the share without a confident leaf is much larger than in training."),
        },
    ),
    "golden_score": TableDescription(
        "Accuracy of the catalog on golden products now and at the champion's promotion, one row.",
        {
            "classifier": text("Champion."),
            "classifier_sha256": text("SHA-256 of its weights."),
            "split": text("Split of the evaluated products."),
            "num_before": integer("Products evaluated at the promotion."),
            "top1_before": number("Share of them whose leaf was predicted right."),
            "num": integer("Products evaluated now."),
            "top1": number("Share of them whose leaf is predicted right; null without a product."),
            "ci_low": number("Lower end of the 95 % interval of `top1`."),
            "ci_high": number("Upper end of the 95 % interval of `top1`."),
            "fall_points": number("Percentage points lost since the promotion."),
            "p_value": number("Probability of such a fall by chance."),
            "has_fallen": flag("True for a large fall that chance does not explain."),
        },
    ),
}
