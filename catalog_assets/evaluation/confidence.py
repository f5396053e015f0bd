"""Confidence: a classifier's temperatures, and the thresholds at which predictions reach a requested coverage."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.dataset.splits import in_selection_half
from catalog.evaluation.proportions import wilson_interval
from catalog.evaluation.scores import expected_calibration_error
from catalog_assets.classifiers.lookup import classifier_sha256, members_of
from catalog_assets.classifiers.predictor import PREDICTOR_DEPS, Predictor
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import evaluated_classifiers
from resources.compute import Compute
from resources.images import StoredImages
from resources.setting_fields import COVERAGES
from resources.store import Store

if TYPE_CHECKING:
    from ml.classifiers.conformal import BestPaths
    from ml.classifiers.distillation import LevelLogProbabilities
    from ml.classifiers.hierarchy import Ids

CALIBRATED_ON = "val"


@dg.asset(
    deps=PREDICTOR_DEPS,
    partitions_def=evaluated_classifiers,
    io_manager_key="tables",
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def confidence(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Temperatures and thresholds fitted on validation images, and the coverage that they reach on golden images.

    One half of the validation groups fits the temperatures, the other chooses the thresholds: chosen on the images
    to which the temperatures were fitted, they would promise too much.
    """
    name = context.partition_key
    from ml.classifiers.conformal import BestPaths, conformal_threshold

    rows = dataset.collect()
    split = "golden" if "golden" in rows["split"] else "test"
    chosen = pl.col("split").is_in([CALIBRATED_ON, split]) & labeled
    parts = _parts(rows.filter(chosen), split)
    with compute.session() as session:
        predictor = Predictor(rows, store, stored_images, session.device)
        images, hierarchy, log_probabilities = predictor.log_probabilities(name, chosen)
    targets = hierarchy.encode(images.select(LEVEL_COLUMNS).to_numpy())
    temperatures = _temperatures(log_probabilities, targets, parts.fitting)
    leaves = log_probabilities[-1]
    before, after = (BestPaths.at_temperature(leaves, each, hierarchy) for each in (1.0, temperatures[-1]))
    scores = after.rows(parts.choosing).scores(targets[parts.choosing])
    thresholds = {coverage: conformal_threshold(scores, coverage) for coverage in COVERAGES}
    evaluated, true = after.rows(parts.evaluated), targets[parts.evaluated]
    same = {
        "num_calibration": len(parts.choosing),
        "temperature": temperatures[-1],
        "ece_before": _calibration_error(before.rows(parts.evaluated), true),
        "ece_after": _calibration_error(evaluated, true),
    }
    frame = pl.DataFrame(
        [
            {
                "classifier": name,
                "requested_coverage": coverage,
                "split": split,
                **_reached(evaluated, true, threshold),
                "threshold": threshold,
                **same,
            }
            for coverage, threshold in thresholds.items()
        ]
    )
    record = {
        "inputs": {member: classifier_sha256(store, member) for member in members_of(name)},
        "temperatures": temperatures,
        "thresholds": {f"{coverage:g}": threshold for coverage, threshold in thresholds.items()},
    }
    store.write_json(record, "confidence", f"classifier={name}", "confidence.json")
    summary = frame.drop("classifier", "threshold", "temperature", "ece_before", "ece_after")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "coverage": dg.MetadataValue.md(table(summary)),
            "temperature by level": dict(zip(LEVEL_COLUMNS, temperatures, strict=True)),
            "calibration error of leaves": (
                f"{same['ece_before']:.4f} before, {same['ece_after']:.4f} after, on {len(true)} of {split}"
            ),
            "device_seconds": session.device_seconds,
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Positions of the images that fit temperatures, choose thresholds, and are evaluated on, each (n,)."""

    fitting: np.ndarray
    choosing: np.ndarray
    evaluated: np.ndarray


def _parts(images: pl.DataFrame, split: str) -> _Parts:
    """Divide validation images by their groups; dg.Failure where a part is empty."""
    in_val = (images["split"] == CALIBRATED_ON).to_numpy()
    fits = in_selection_half(images["group_id"]).to_numpy()
    fitting, choosing, evaluated = (np.flatnonzero(each) for each in (in_val & fits, in_val & ~fits, ~in_val))
    if not (len(fitting) and len(choosing) and len(evaluated)):
        raise dg.Failure(
            f"{len(fitting)} labeled validation images to fit temperatures, {len(choosing)} to choose thresholds, "
            f"{len(evaluated)} in {split!r} to evaluate on; each needs some: add a delivery with labels"
        )
    return _Parts(fitting=fitting, choosing=choosing, evaluated=evaluated)


def _temperatures(log_probabilities: "LevelLogProbabilities", targets: "Ids", fitting: np.ndarray) -> list[float]:
    """A temperature per level, root first; that of the leaves is used for all, so that levels agree."""
    from ml.classifiers.calibration import fit_temperature

    return [
        fit_temperature(level[fitting], true) for level, true in zip(log_probabilities, targets[fitting].T, strict=True)
    ]


def _reached(paths: "BestPaths", targets: "Ids", threshold: float) -> dict[str, float | int]:
    """The share of images whose prediction at a threshold is right, with its interval, and how deep predictions are."""
    depths, are_covered = paths.depths(threshold), paths.are_covered(targets, threshold)
    low, high = wilson_interval(int(are_covered.sum()), len(targets))
    return {
        "num_samples": len(targets),
        "coverage": float(are_covered.mean()),
        "coverage_low": low,
        "coverage_high": high,
        "mean_depth": float(depths.mean()),
        "share_abstained": float((depths == 0).mean()),
    }


def _calibration_error(paths: "BestPaths", targets: "Ids") -> float:
    """The expected calibration error of the best leaves."""
    return expected_calibration_error(paths.masses[:, -1].clip(0, 1), paths.classes[:, -1] == targets[:, -1])
