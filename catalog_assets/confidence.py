"""Confidence: how far each classifier can be believed, and the answers that hold as often as one asks for."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.proportions import wilson_interval
from catalog.scores import expected_calibration_error
from catalog.splits import are_choosing
from catalog_assets.answering import WHOEVER_ANSWERS, Answering, members_of
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.markdown import table
from catalog_assets.partitions import judged_classifiers
from catalog_assets.versions import content_version
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    from ml.classifiers.conformal import BestPaths
    from ml.classifiers.hierarchy import Ids
    from ml.distillation import Answers

COVERAGES = (0.8, 0.9, 0.95)
CALIBRATED_ON = "val"


@dg.asset(
    deps=WHOEVER_ANSWERS,
    partitions_def=judged_classifiers,
    io_manager_key="tables",
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def confidence(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, pictures: Pictures, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """Temperatures and thresholds by validation pictures, and what the answers that they make are worth on golden.

    One half of the validation groups fits the temperatures, the other chooses the thresholds: chosen on the pictures
    that made probabilities fit, they would promise too much.
    """
    name = context.partition_key
    from ml.classifiers.conformal import BestPaths, conformal_threshold

    rows = dataset.collect()
    split = "golden" if "golden" in rows["split"] else "test"
    chosen = pl.col("split").is_in([CALIBRATED_ON, split]) & labelled
    wanted = rows.filter(chosen)
    in_val = (wanted["split"] == CALIBRATED_ON).to_numpy()
    fits = are_choosing(wanted["group_id"]).to_numpy()
    fitting, choosing, judging = (np.flatnonzero(each) for each in (in_val & fits, in_val & ~fits, ~in_val))
    if not (len(fitting) and len(choosing) and len(judging)):
        raise dg.Failure(
            f"{len(fitting)} labelled validation pictures to fit temperatures, {len(choosing)} to choose thresholds, "
            f"{len(judging)} in {split!r} to judge by; each needs some: take in a delivery with labels"
        )
    with compute.session() as session:
        asked = Answering(rows, store, pictures, session.device)
        wanted, hierarchy, said = asked.log_probabilities(name, chosen)
    targets = hierarchy.encode(wanted.select(LEVEL_COLUMNS).to_numpy())
    temperatures = _temperatures(said, targets, fitting)
    paths, as_said = (BestPaths.at_temperature(said[-1], each, hierarchy) for each in (temperatures[-1], 1.0))
    scores = paths.rows(choosing).scores(targets[choosing])
    judged, true = paths.rows(judging), targets[judging]
    before, after = (_calibration_error(each, true) for each in (as_said.rows(judging), judged))
    lines, thresholds = [], {}
    for coverage in COVERAGES:
        threshold = thresholds[f"{coverage:g}"] = conformal_threshold(scores, coverage)
        depths, are_covered = judged.depths(threshold), judged.are_covered(true, threshold)
        low, high = wilson_interval(int(are_covered.sum()), len(judging))
        lines.append(
            {
                "classifier": name,
                "requested_coverage": coverage,
                "split": split,
                "num_samples": len(judging),
                "coverage": float(are_covered.mean()),
                "coverage_low": low,
                "coverage_high": high,
                "mean_depth": float(depths.mean()),
                "share_without_answer": float((depths == 0).mean()),
                "threshold": threshold,
                "num_calibration": len(choosing),
                "temperature": temperatures[-1],
                "ece_before": before,
                "ece_after": after,
            }
        )
    frame = pl.DataFrame(lines)
    store.write_json(
        {
            "made_from": {member: store.fingerprint("classifiers", member) for member in members_of(name)},
            "temperatures": temperatures,
            "thresholds": thresholds,
        },
        *("confidence", f"classifier={name}", "confidence.json"),
    )
    shown = frame.drop("classifier", "threshold", "temperature", "ece_before", "ece_after")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "answers": dg.MetadataValue.md(table(shown)),
            "temperature by level": dict(zip(LEVEL_COLUMNS, temperatures, strict=True)),
            "calibration error of leaves": f"{before:.4f} before, {after:.4f} after, on {len(judging)} of {split}",
            "device_seconds": session.device_seconds,
        },
    )


def _temperatures(said: "Answers", targets: "Ids", fitting: np.ndarray) -> list[float]:
    """One a level, root first; the leaves' is the one that answers are made with, so that levels go on to agree."""
    from ml.classifiers.calibration import fit_temperature

    return [fit_temperature(own[fitting], true) for own, true in zip(said, targets[fitting].T, strict=True)]


def _calibration_error(paths: "BestPaths", targets: "Ids") -> float:
    """Of the best leaves."""
    return expected_calibration_error(paths.masses[:, -1].clip(0, 1), paths.classes[:, -1] == targets[:, -1])
