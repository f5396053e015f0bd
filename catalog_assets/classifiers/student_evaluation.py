"""Student evaluation: accuracy and cost of a student and its teacher on the same held-out products."""

from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog_assets.classifiers.lookup import classifier_folder, members_of
from catalog_assets.classifiers.predictor import Predictor

EVALUATED_ON = ("golden", "test")  # the first of them that has labeled products


def held_out_split(rows: pl.DataFrame) -> str:
    """Return the split on which both are evaluated; dg.Failure where no held-out product is labeled."""
    splits = set(rows.filter(labeled)["split"])
    split = next((each for each in EVALUATED_ON if each in splits), None)
    if split is None:
        raise dg.Failure(f"no labeled product is in {' or '.join(EVALUATED_ON)}; assemble a dataset that has some")
    return split


def right_on_held_out(predictor: Predictor, name: str) -> np.ndarray:
    """Return 1 for each held-out product whose leaf a classifier predicts, else 0, (num_held_out,)."""
    is_held_out = (pl.col("split") == held_out_split(predictor.rows)) & labeled
    held_out, best = predictor.predict(name, is_held_out)
    right: np.ndarray = best[-1].ids[:, 0] == held_out[LEVEL_COLUMNS[-1]].to_numpy()
    return right.astype(np.float64)


def accuracy_and_cost(predictor: Predictor, name: str, right: np.ndarray) -> dict[str, Any]:
    """Return a classifier's row of the table `students`; an ensemble costs what its members do together.

    Args:
        predictor: the dataset and the device on which the time per image is measured.
        name: a classifier, a student or an ensemble.
        right: as `right_on_held_out` returns it.
    """
    from ml.classifiers.timing import ms_per_image

    store, members = predictor.store, members_of(name)
    split = held_out_split(predictor.rows)
    leaves = predictor.rows.filter((pl.col("split") == split) & labeled)[LEVEL_COLUMNS[-1]]
    units = store.business_values(store.taxonomy())
    values = np.array([units.get(leaf, 0.0) for leaf in leaves])
    top1 = crossed_estimate(right[None])
    classifiers = [predictor.classifier(each) for each in members]
    weights = [classifier_folder(store, each) / "weights.safetensors" for each in members]
    return {
        "classifier": name,
        "split": split,
        "num_samples": len(right),
        "top1": top1.value,
        "top1_low": top1.low,
        "top1_high": top1.high,
        "value_weighted_accuracy": float(np.average(right, weights=values)) if values.sum() > 0 else None,
        "num_parameters": sum(each.numel() for one in classifiers for each in one.parameters()),
        "ms_per_image": sum(ms_per_image(each, predictor.device) for each in classifiers),
        "mib": sum(each.stat().st_size for each in weights) / 2**20,
    }
