"""Tables of the classifiers: predictions, searches, students, ensembles and further tasks."""

from __future__ import annotations

import polars as pl

from catalog.evaluation.scores import SCORE_SCHEMA
from catalog.schema.columns import Column, TableDescription, columns, estimate, flag, integer, number, text

_SCORE_COLUMNS = columns(
    SCORE_SCHEMA,
    metric="Name of the metric.",
    value="Its value.",
    ci_low="Lower end of its 95 % interval.",
    ci_high="Upper end of its 95 % interval.",
    num_samples="Evaluated products.",
)
_IDS, _PROBABILITIES = pl.List(pl.Int64()), pl.List(pl.Float32())

CLASSIFIERS = {
    "predictions": TableDescription(
        "Predictions of a classifier for the labeled products of a held-out split, one row per product.",
        {
            "product_id": text("Product."),
            "split": text("Its split."),
            **{
                name: column
                for level in range(1, 5)
                for name, column in {
                    f"true_{level}": integer(f"Label at level {level}."),
                    f"top_{level}": Column(_IDS, f"Most probable categories of level {level}, best first."),
                    f"probability_{level}": Column(_PROBABILITIES, f"Probabilities of `top_{level}`."),
                }.items()
            },
        },
    ),
    "trials": TableDescription(
        "Attempts of a search, one row for each trial and rung, in the order in which they ran.",
        {
            "trial": text("Trial."),
            "rung": integer("Rung: 0 for the probe of embeddings, then ever longer trainings.", pl.Int32),
            "epochs": integer("Epochs trained.", pl.Int32),
            "encoder": text("Encoder of the candidate."),
            "params": text("Parameters of the candidate as JSON."),
            "metric": number("Metric on validation images; null where the attempt did not finish."),
            "device_seconds": number("Seconds on the device."),
            "epoch_seconds": number("Seconds per epoch that it measured; in a probe by a few steps of a training."),
            "state": text("State of the attempt: finished, stopped by the budget, or how it failed."),
            "reason": text("Reason why it did not finish."),
            "is_winner": flag("True for the attempt whose recipe the search found."),
        },
    ),
    "students": TableDescription(
        "A distilled student and its teacher on held-out products, one row each.",
        {
            "student": text("Student."),
            "role": text("student or teacher."),
            "classifier": text("Classifier in this role."),
            "split": text("Split of the evaluated products."),
            "num_samples": integer("Evaluated products."),
            **estimate("top1", "Share of products whose leaf is predicted right."),
            "value_weighted_accuracy": number("Share of units sold whose leaf is predicted right."),
            "num_parameters": integer("Parameters of the model."),
            "ms_per_image": number("Milliseconds an image, one image at a time."),
            "mib": number("Size of the weights in MiB."),
        },
    ),
    "ensembles": TableDescription(
        "An ensemble and its members on held-out products, one row each.",
        {
            "ensemble": text("Ensemble."),
            "classifier": text("The ensemble itself, or one of its members."),
            "weight": number("Weight of the member; 1 for the ensemble itself."),
            "split": text("Split of the evaluated products."),
            "num_samples": integer("Evaluated products."),
            **estimate("top1", "Share of products whose leaf is predicted right."),
        },
    ),
    "attribute_predictions": TableDescription(
        "Predictions of an attribute, such as color, for every product of the dataset.",
        {
            "product_id": text("Product."),
            "split": text("Its split."),
            "attribute": text("Attribute."),
            "label": text("Label: the partner's value; null without one."),
            "predicted": text("Most probable value."),
            "probability": number("Its probability.", pl.Float32),
            "top_5": Column(pl.List(pl.String()), "Five most probable values, best first."),
        },
    ),
    "attribute_metrics": TableDescription(
        "Scores of an attribute's predictions on held-out products, one row a metric and split.",
        {"attribute": text("Attribute."), "split": text("Split of the evaluated products."), **_SCORE_COLUMNS},
    ),
    "share_outcomes": TableDescription(
        "Held-out predictions of an encoder fine-tuned on a share of the labels, one row per product and seed.",
        {
            "seed": integer("Seed of the drawn labels.", pl.Int32),
            "num_labels": integer("Labels trained on."),
            "split": text("Split of the evaluated products."),
            "product_id": text("Product."),
            "predicted_id": integer("Predicted leaf."),
            "top1": flag("True where it is the label."),
            "top5": flag("True where the label is among the five most probable leaves."),
            "device_seconds": number("Seconds of the training on the device."),
        },
    ),
    "data_efficiency": TableDescription(
        "Accuracy of fine-tuned encoders by share of the labels, one row each.",
        {
            "encoder": text("Encoder."),
            "backbone": text("Architecture of the encoder."),
            "resolution": integer("Side of its images in pixels."),
            "share": text("Share of the labels."),
            "num_labels": integer("Labels trained on."),
            "num_seeds": integer("Trainings, each on another draw of the labels."),
            "split": text("Split of the evaluated products."),
            **estimate("top1", "Share of products whose leaf is predicted right."),
            **estimate("top5", "Share of products whose leaf is among the five most probable."),
            **estimate("gain_over_random", "Gain in top-1 over random weights of the same backbone; null without one."),
            "device_seconds": number("Seconds of all trainings on the device."),
        },
    ),
    "multimodal": TableDescription(
        "Accuracy by image, by title and by both, one row an input, share of the labels and split.",
        {
            "encoder": text("Encoder of the images."),
            "label_fraction": number("Share of the labels trained on."),
            "split": text("Split of the evaluated products."),
            "inputs": text("image, title, late (weighted mean of both predictions) or joint (one head over both)."),
            "top1": number("Share of products whose leaf is predicted right."),
            "low": number("Lower end of the 95 % interval of `top1`."),
            "high": number("Upper end of the 95 % interval of `top1`."),
            "num": integer("Evaluated products."),
            "num_draws": integer("Trainings, each on another draw of the labels."),
            "num_labels": integer("Labels trained on."),
            **estimate("gain_over_single", "Gain in top-1 over the better of image and title alone."),
            "single": text("The better of image and title alone."),
            "title_weight": number("Weight of the title in late fusion; null for other inputs."),
        },
    ),
}
