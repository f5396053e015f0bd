"""Searches: one per recipe, the encoder and the fine-tuning that are best on validation, under a goal and a budget."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from catalog.business_value import values_at_level
from catalog.search_progress import draw_progress
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import of_a_search_s_encoders, search_recipes
from catalog_assets.trained import found_recipe_place
from catalog_assets.trial_runs import TrialRuns
from catalog_assets.versions import content_version
from ml.recipes import encoder_recipe
from ml.search import run_search
from ml.search.recipe import SearchRecipe, search_recipe
from resources.compute import Compute, num_cores
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking

if TYPE_CHECKING:
    from ml.search.ledger import Ledger
    from ml.search.objective import Finetuning, Material

SHOWN_TRIALS = 20
TRIAL_SCHEMA = {
    "trial": pl.String,
    "rung": pl.Int32,
    "epochs": pl.Int32,
    "encoder": pl.String,
    "params": pl.String,
    "metric": pl.Float64,
    "device_seconds": pl.Float64,
    "state": pl.String,
    "reason": pl.String,
}


@dg.asset(
    deps=[
        dg.AssetDep(encoders, partition_mapping=of_a_search_s_encoders),
        dg.AssetDep(embeddings, partition_mapping=of_a_search_s_encoders),
    ],
    partitions_def=search_recipes,
    pool="device",
    group_name="classifiers",
    kinds={"ray", "pytorch", "mlflow", "parquet"},
    code_version="1",
)
def searches(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """The best encoder and fine-tuning within a goal and a budget: every trial, and the recipe that was found.

    A run that was cut off, or is started again with a larger budget, goes on from the ledger of the same recipe and
    the same data.
    """
    recipe = search_recipe(context.partition_key)
    from ml.search.ledger import Ledger

    rows = dataset.collect()
    inputs = _fingerprint(recipe, rows, store)
    folder = store.scratch / "searches" / recipe.name / f"{recipe.fingerprint()[:8]}-{inputs[:8]}"
    ledger = Ledger(folder / "ledger.sqlite")
    params = {"searcher": recipe.searcher, "metric": recipe.metric, "goal": recipe.goal, "budget_s": recipe.budget_s}
    with tracking.run(context, params) as log, compute.session() as session:
        objective = replace(
            _objective(recipe, rows, folder, store, pictures),
            device=str(session.device),
            num_threads=compute.num_threads or num_cores(),
        )
        runs = TrialRuns(tracking, log.run_id, recipe.metric, context.log.info)
        try:
            outcome = run_search(recipe, objective, ledger, inputs, runs)
        finally:
            runs.end()
        log({"device_seconds": outcome.device_seconds})
        if outcome.winner is not None:
            log({recipe.metric: outcome.winner.metric})
    for material in objective.library.values():
        material.embeddings.unlink()
    frame = _trials(ledger)
    store.write(frame, "trials", recipe.name)
    ended = outcome.sentence(recipe)
    if outcome.winner is None:
        raise dg.Failure(
            f"search {recipe.name!r} has no finished trial: {ended}; give it a larger budget, or see why its trials "
            f"ended in the table trials: {_reasons(frame)}"
        )
    winner = outcome.winner
    store.write_json(asdict(winner.recipe), *found_recipe_place(store, recipe.name))
    return dg.MaterializeResult(
        data_version=content_version(frame.drop("device_seconds")),
        metadata={
            "dagster/row_count": len(frame),
            "ended": ended,
            "winner": dg.MetadataValue.json(asdict(winner.candidate)),
            recipe.metric: winner.metric,
            "device_seconds": outcome.device_seconds,
            "recipe": dg.MetadataValue.json(json.loads(json.dumps(asdict(winner.recipe)))),
            "progress": dg.MetadataValue.md(
                picture(draw_progress(frame, recipe.metric, recipe.goal), f"{recipe.metric} by device seconds")
            ),
            "trials": dg.MetadataValue.md(table(_shown(frame))),
            "mlflow": dg.MetadataValue.url(log.url),
        },
    )


def _fingerprint(recipe: SearchRecipe, rows: pl.DataFrame, store: Store) -> str:
    """The SHA-256 (hex) of all that trials learn from and are judged on."""
    learned = rows.select("product_id", "sha256", "split", "label_rank", *LEVEL_COLUMNS)
    made_from = [store.fingerprint("encoders", name) for name in recipe.space.encoders]
    return hashlib.sha256("\n".join([content_version(learned).value, *made_from]).encode()).hexdigest()


def _objective(
    recipe: SearchRecipe, rows: pl.DataFrame, folder: Path, store: Store, pictures: Pictures
) -> "Finetuning":
    """What a trial is worth: the metric on labelled validation pictures."""
    from ml.search.metrics import Score
    from ml.search.objective import Finetuning

    is_training = (pl.col("label_rank") < recipe.base.label_fraction).fill_null(value=False)
    training, validation = (_positions(rows, each) for each in (is_training, (pl.col("split") == "val") & labelled))
    values: dict[int, float] = {}
    if recipe.metric == "value_weighted_accuracy":
        taxonomy = store.taxonomy()
        values = values_at_level(store.business_values(taxonomy), taxonomy, len(LEVEL_COLUMNS))
    needed = np.concatenate([training, validation])
    return Finetuning(
        base=recipe.base,
        library={name: _material(name, rows, needed, folder, store, pictures) for name in recipe.space.encoders},
        labels=rows.select(pl.col(LEVEL_COLUMNS).fill_null(0)).to_numpy(),  # 0 is nowhere looked at
        training=training,
        validation=validation,
        score=Score(recipe.metric, values),
    )


def _material(
    name: str, rows: pl.DataFrame, needed: np.ndarray, folder: Path, store: Store, pictures: Pictures
) -> "Material":
    """One encoder, its embeddings of the pictures that are needed, and all pictures' pixels, as files."""
    from ml.search.objective import Material

    vectors = StoredEmbeddings(store, name).of(rows[needed])
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A row for every picture keeps positions what they are; what is not written takes no room on the disk.
    held = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(rows), vectors.shape[1]))
    held[needed] = vectors
    held.flush()
    pixels: Any = pictures.pixels(rows, encoder_recipe(name).resolution)
    return Material(
        encoder=store.here("encoders", name),
        embeddings=path,
        pixels=Path(str(pixels.filename)) if isinstance(pixels, np.memmap) else pixels,
    )


def _positions(rows: pl.DataFrame, chosen: pl.Expr) -> np.ndarray:
    return np.flatnonzero(rows.select(chosen.fill_null(value=False)).to_series().to_numpy())


def _trials(ledger: "Ledger") -> pl.DataFrame:
    """A row for every attempt at a rung, in the order in which they ran."""
    candidates = {candidate.trial: candidate for candidate in ledger.proposals()}
    lines = [
        {
            **asdict(attempt),
            "encoder": candidates[attempt.trial].encoder,
            "params": json.dumps(asdict(candidates[attempt.trial]), sort_keys=True),
        }
        for attempt in ledger.attempts()
    ]
    return pl.DataFrame([{name: line[name] for name in TRIAL_SCHEMA} for line in lines], schema=TRIAL_SCHEMA)


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """The trials that came furthest, the best first."""
    furthest = frame.sort("rung", "metric", descending=True, nulls_last=True).unique("trial", maintain_order=True)
    return furthest.drop("reason").head(SHOWN_TRIALS)


def _reasons(frame: pl.DataFrame) -> str:
    failed = frame.filter(pl.col("metric").is_null())
    return "; ".join(failed.select(pl.format("{}: {}", "state", "reason")).to_series().unique().sort()) or "none failed"
