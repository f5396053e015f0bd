"""Tables of the evaluation: scores, confusion, calibration, comparison and decisions about the champion."""

from __future__ import annotations

import polars as pl

from catalog.evaluation.scores import METRICS, SCORE_SCHEMA
from catalog.schema.columns import Column, TableDescription, columns, estimate, flag, integer, number, text

_CLASSIFIER = {
    "classifier": text("Classifier."),
    "split": text("Split of the evaluated products."),
}
_LEVEL = {"level": integer("Level of the taxonomy, 1 (roots) to 4 (leaves).", pl.Int32)}

EVALUATION = {
    "metrics": TableDescription(
        "Scores of a classifier on held-out products, one row a metric, level and split.",
        {
            **_CLASSIFIER,
            **_LEVEL,
            **columns(
                SCORE_SCHEMA,
                metric="Name of the metric.",
                value="Its value.",
                ci_low="Lower end of its 95 % interval.",
                ci_high="Upper end of its 95 % interval.",
                num_samples="Evaluated products.",
            ),
        },
    ),
    "confusion": TableDescription(
        "Cells of a classifier's confusion matrices, one row a pair of label and prediction that occurs.",
        {
            **_CLASSIFIER,
            **_LEVEL,
            "true_id": integer("Category of the label."),
            "predicted_id": integer("Predicted category."),
            "num": integer("Products of this pair."),
            "share_of_true": number("Share of the label's products."),
            "business_value": number("Units sold of the label's category, times that share."),
        },
    ),
    "calibration": TableDescription(
        "Calibration curves of a classifier, one row a bin of confidence that has products.",
        {
            **_CLASSIFIER,
            **_LEVEL,
            "bin_low": number("Lower end of the bin."),
            "bin_high": number("Upper end of the bin."),
            "num": integer("Products in the bin."),
            "confidence": number("Mean probability of their predictions."),
            **estimate("accuracy", "Share of them that is predicted right."),
        },
    ),
    "confidence": TableDescription(
        "Coverage of a calibrated classifier on held-out products, one row a requested coverage.",
        {
            "classifier": text("Classifier."),
            "requested_coverage": number("Share of predictions that is to be right."),
            "split": text("Split of the evaluated products."),
            "num_samples": integer("Evaluated products."),
            **estimate("coverage", "Share of predictions that is right."),
            "mean_depth": number("Mean level of the predicted categories."),
            "share_abstained": number("Share of products without a prediction, not even of the root."),
            "threshold": number("Threshold of the probability that yields the coverage."),
            "num_calibration": integer("Validation products that the threshold was chosen on."),
            "temperature": number("Temperature of the leaf probabilities."),
            "ece_before": number("Expected calibration error before temperature scaling."),
            "ece_after": number("Expected calibration error after temperature scaling."),
        },
    ),
    "comparison": TableDescription(
        "All evaluated classifiers, one row each, with scores on leaves and costs.",
        {
            "classifier": text("Classifier."),
            "kind": text("classifier, student or ensemble."),
            "encoder": text("Encoder, or those of the ensemble's members."),
            "origin": text("Origin of the encoder's weights."),
            "mode": text("Training mode of the classifier, or combination of the ensemble."),
            "teacher": text("Teacher of a student; null for others."),
            "label_fraction": number("Share of the labels trained on."),
            "num_labels": integer("Labels trained on."),
            "training_seconds": number("Seconds of the training on the device."),
            "num_parameters": integer("Parameters of the model."),
            "ms_per_image": number("Milliseconds an image, one image at a time."),
            "split": text("Split of the evaluated products: golden, or test without golden products."),
            **{
                name: column
                for metric in METRICS
                for name, column in estimate(metric, f"Metric `{metric}` of leaves.").items()
            },
        },
    ),
    "champion_decisions": TableDescription(
        "Decisions about the champion, oldest first, one row a candidate.",
        {
            "decided_at": Column(pl.Datetime("us", "UTC"), "Time of the decision."),
            "candidate": text("Candidate."),
            "candidate_sha256": text("SHA-256 of its weights."),
            "champion": text("Champion at that time; null before the first."),
            "champion_sha256": text("SHA-256 of the champion's weights."),
            "validation_value": number("Value-weighted accuracy of the candidate on validation products."),
            "split": text("Split of the compared products."),
            "images_sha256": text("Fingerprint of the compared products and labels."),
            "num_samples": integer("Compared products."),
            "only_candidate": integer("Products that only the candidate predicts right."),
            "only_champion": integer("Products that only the champion predicts right."),
            "p_value": number("McNemar's mid-p value."),
            "p_exact": number("p value of McNemar's exact test."),
            **estimate("difference", "Value-weighted accuracy of the candidate less that of the champion."),
            "cost_ratio": number("Time an image of the candidate over that of the champion."),
            "promoted": flag("True where the candidate became the champion."),
            "reason": text("Reason of the decision, in words."),
            "version": text("Version of the model in MLflow; null where it was not promoted."),
        },
    ),
}
