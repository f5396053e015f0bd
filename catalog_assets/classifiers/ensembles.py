"""Ensembles: several classifiers whose probabilities are combined, evaluated and compared with each member."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog_assets.classifiers.classifiers import classifiers
from catalog_assets.classifiers.lookup import classifier_sha256
from catalog_assets.classifiers.predictor import Predictor
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import ensemble_recipes, members_of_ensemble
from resources.compute import Compute
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.classifiers.ensembles import Probabilities
    from ml.classifiers.hierarchy import Hierarchy

FITTED_ON, EVALUATED_ON = "val", ("test", "golden")


@dg.asset(
    deps=[dg.AssetDep(classifiers, partition_mapping=members_of_ensemble)],
    partitions_def=ensemble_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "parquet"},
    code_version="1",
)
@retried(DEVICE)
def ensembles(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Ensembles with equal weights, or with weights fitted on validation products; and the accuracy of each member."""
    recipe = RECIPES.ensemble(context.partition_key)
    from ml.classifiers.ensembles import combined, stacking_weights

    rows = dataset.collect()
    splits = [each for each in (FITTED_ON, *EVALUATED_ON) if len(rows.filter(labeled & (pl.col("split") == each)))]
    if FITTED_ON not in splits or len(splits) < 2:
        raise dg.Failure(
            f"an ensemble is fitted on {FITTED_ON} and evaluated on {' or '.join(EVALUATED_ON)}; labeled are only "
            f"{splits}: add a delivery with labels"
        )
    with compute.session() as session:
        predictor = Predictor(rows, store, stored_images, session.device)
        predictions = {
            split: predictor.member_probabilities(recipe.name, labeled & (pl.col("split") == split)) for split in splits
        }
    weights = np.full(len(recipe.members), 1 / len(recipe.members))
    if recipe.combination == "stack":
        validation, hierarchy, members = predictions[FITTED_ON]
        targets = hierarchy.encode(validation.select(LEVEL_COLUMNS).to_numpy())[:, -1]
        weights = stacking_weights([member[-1] for member in members], targets)
    weight_of = {recipe.name: 1.0, **dict(zip(recipe.members, weights.tolist(), strict=True))}
    lines = []
    for split, (held_out, hierarchy, members) in predictions.items():
        probabilities = {
            recipe.name: combined(members, weights.tolist()),
            **dict(zip(recipe.members, members, strict=True)),
        }
        lines += [
            {
                "ensemble": recipe.name,
                "classifier": name,
                "weight": weight_of[name],
                "split": split,
                "num_samples": len(held_out),
                **_top1(own, hierarchy, held_out[LEVEL_COLUMNS[-1]].to_numpy()),
            }
            for name, own in probabilities.items()
        ]
    frame = pl.DataFrame(lines)
    record = {
        "members": {member: classifier_sha256(store, member) for member in recipe.members},
        "weights": {member: weight_of[member] for member in recipe.members},
        "combination": recipe.combination,
    }
    store.write_json(record, "ensembles", f"ensemble={recipe.name}", "ensemble.json")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "compared with its members": dg.MetadataValue.md(table(frame.drop("ensemble"))),
            "weights": {name: round(weight_of[name], 4) for name in recipe.members},
            "device_seconds": session.device_seconds,
        },
    )


def _top1(probabilities: "Probabilities", hierarchy: "Hierarchy", leaves: np.ndarray) -> dict[str, float]:
    """The share of products whose most probable leaf is right, with its 95 % interval."""
    right = hierarchy.decode(-1, probabilities[-1].argmax(axis=1)) == leaves
    top1 = crossed_estimate(right.astype(np.float64)[None])
    return {"top1": top1.value, "top1_low": top1.low, "top1_high": top1.high}
