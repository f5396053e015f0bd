"""Ensembles: several classifiers that answer as one, beside each of their members."""

import dagster as dg
import numpy as np
import polars as pl

from catalog.data_efficiency import crossed_estimate
from catalog_assets.answering import Answering
from catalog_assets.classifiers import LEVEL_COLUMNS, classifiers, labelled
from catalog_assets.markdown import table
from catalog_assets.partitions import ensemble_recipes, of_their_members
from catalog_assets.versions import content_version
from ml.recipes import ensemble_recipe
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store

FITTED_ON, JUDGED_ON = "val", ("test", "golden")


@dg.asset(
    deps=[dg.AssetDep(classifiers, partition_mapping=of_their_members)],
    partitions_def=ensemble_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "parquet"},
    code_version="1",
)
def ensembles(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, pictures: Pictures, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """Ensembles by a vote, or by weights that validation products choose, and what each member does alone."""
    recipe = ensemble_recipe(context.partition_key)
    from ml.ensembles import combined, stacking_weights

    rows = dataset.collect()
    splits = [split for split in (FITTED_ON, *JUDGED_ON) if len(rows.filter(labelled & (pl.col("split") == split)))]
    if FITTED_ON not in splits or len(splits) < 2:
        judges = " or ".join(JUDGED_ON)
        raise dg.Failure(f"an ensemble is fitted on {FITTED_ON} and judged on {judges}; labelled are only {splits}")
    with compute.session() as session:
        asked = Answering(rows, store, pictures, session.device)
        said = {split: asked.by_member(recipe.name, labelled & (pl.col("split") == split)) for split in splits}
    fitted, hierarchy, _ = said[FITTED_ON]
    weights = np.full(len(recipe.members), 1 / len(recipe.members))
    if recipe.combination == "stack":
        targets = hierarchy.encode(fitted.select(LEVEL_COLUMNS).to_numpy())[:, -1]
        weights = stacking_weights([member[-1] for member in said[FITTED_ON][2]], targets)
    lines = []
    for split, (held_out, _, members) in said.items():
        leaves = held_out["level_4"].to_numpy()
        answers = {recipe.name: combined(members, weights.tolist()), **dict(zip(recipe.members, members, strict=True))}
        for name, answer in answers.items():
            right = hierarchy.decode(-1, answer[-1].argmax(axis=1)) == leaves
            top1 = crossed_estimate(right.astype(np.float64)[None])
            weight = 1.0 if name == recipe.name else float(weights[recipe.members.index(name)])
            lines.append(
                {
                    "ensemble": recipe.name,
                    "classifier": name,
                    "weight": weight,
                    "split": split,
                    "num_samples": len(leaves),
                    "top1": top1.value,
                    "top1_low": top1.low,
                    "top1_high": top1.high,
                }
            )
    frame = pl.DataFrame(lines)
    made_from = {member: store.fingerprint("classifiers", member) for member in recipe.members}
    weight_of = dict(zip(recipe.members, weights.tolist(), strict=True))
    store.write_json(
        {"members": made_from, "weights": weight_of, "combination": recipe.combination},
        "ensembles",
        f"ensemble={recipe.name}",
        "ensemble.json",
    )
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "beside its members": dg.MetadataValue.md(table(frame.drop("ensemble"))),
            "weights": {name: round(weight, 4) for name, weight in weight_of.items()},
            "device_seconds": session.device_seconds,
        },
    )
