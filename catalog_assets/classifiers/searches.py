"""Searches: the encoder and the fine-tuning that are best on validation, under a goal and a budget; and trials."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog.evaluation.search_plot import draw_progress
from catalog.storage.cores import num_cores
from catalog_assets.classifiers.search_data import finetuning_objective, search_inputs_sha256
from catalog_assets.classifiers.trained_recipes import write_found_recipe
from catalog_assets.classifiers.trial_runs import TrialRuns
from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoders_of_search, search_recipes
from ml.recipe_types import fingerprint
from ml.search import run_search
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.search.ledger import Ledger
    from ml.search.outcome import SearchOutcome

SHOWN_TRIALS = 20
TRIAL_SCHEMA = {
    "trial": pl.String,
    "rung": pl.Int32,
    "epochs": pl.Int32,
    "encoder": pl.String,
    "params": pl.String,
    "metric": pl.Float64,
    "device_seconds": pl.Float64,
    "epoch_seconds": pl.Float64,
    "state": pl.String,
    "reason": pl.String,
    "is_winner": pl.Boolean,
}
MEASURED = ("device_seconds", "epoch_seconds")  # by a clock, so never the same twice


@dg.multi_asset(
    name="run_searches",
    deps=[
        dg.AssetDep(encoders, partition_mapping=encoders_of_search),
        dg.AssetDep(embeddings, partition_mapping=encoders_of_search),
    ],
    partitions_def=search_recipes,
    pool="device",
    group_name="classifiers",
    outs={
        "trials": dg.AssetOut(
            description="A row for every attempt of a search at a rung, in the order in which they ran.",
            io_manager_key="tables",
            kinds={"ray", "pytorch", "parquet"},
            code_version="1",
        ),
        "searches": dg.AssetOut(
            description="The recipe of the best trial of a search, which trains as the classifier `search-NAME`.",
            dagster_type=dg.Nothing,
            kinds={"ray", "pytorch", "mlflow"},
            code_version="2",
        ),
    },
)
@retried(DEVICE)
def searches(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.MaterializeResult[None]]:
    """Find the best encoder and fine-tuning within a goal and a budget; keep every trial and the best recipe.

    Whatever the budget, the best classifier so far is the result, at least a probe of one encoder. The search fails
    only where every probe failed.

    A run that was interrupted, or is started again with a larger budget, continues from the ledger of the same recipe
    and the same data.
    """
    recipe = RECIPES.search(context.partition_key)
    from ml.search.ledger import Ledger

    rows = dataset.collect()
    inputs_sha256 = search_inputs_sha256(recipe, rows, store)
    folder = store.scratch / "searches" / recipe.name / f"{recipe.fingerprint()[:8]}-{inputs_sha256[:8]}"
    ledger = Ledger(folder / "ledger.sqlite")
    params = {"searcher": recipe.searcher, "metric": recipe.metric, "goal": recipe.goal, "budget": str(recipe.budget)}
    with tracking.run(context, params, asset="searches") as log, compute.session() as session:
        objective = replace(
            finetuning_objective(recipe, rows, folder, store, stored_images),
            device=str(session.device),
            num_threads=compute.num_threads or num_cores(),
        )
        runs = TrialRuns(tracking, log.run_id, recipe.metric, context.log.info)
        try:
            outcome = run_search(recipe, objective, ledger, inputs_sha256, runs)
        finally:
            runs.end()
        log({"device_seconds": outcome.device_seconds})
        if outcome.winner is not None:
            log({recipe.metric: outcome.winner.metric})
    for data in objective.library.values():
        data.embeddings.unlink()
    trials, ended = _trials(ledger, outcome), outcome.sentence(recipe)
    yield dg.MaterializeResult(
        asset_key="trials",
        value=trials,
        data_version=content_version(trials.drop(MEASURED)),
        metadata={"ended": ended, "furthest trials": dg.MetadataValue.md(table(_furthest(trials)))},
    )
    if outcome.winner is None:
        ledger.path.unlink()  # there is nothing to continue from
        raise dg.Failure(
            f"search {recipe.name!r} has no classifier, since no probe finished: {ended}; see the table trials, remove "
            f"the cause and search again: {'; '.join(outcome.failures)}"
        )
    winner = outcome.winner
    write_found_recipe(store, recipe.name, winner.recipe)
    progress = draw_progress(trials, recipe.metric, recipe.goal)
    yield dg.MaterializeResult(
        asset_key="searches",
        data_version=dg.DataVersion(fingerprint(winner.recipe)),
        metadata={
            "ended": ended,
            "winner": dg.MetadataValue.json(asdict(winner.candidate)),
            "kind": winner.description(),
            **({"budget_s": outcome.budget_s} if math.isfinite(outcome.budget_s) else {}),
            recipe.metric: winner.metric,
            "device_seconds": outcome.device_seconds,
            "recipe": dg.MetadataValue.json(json.loads(json.dumps(asdict(winner.recipe)))),
            "progress": dg.MetadataValue.md(image_markdown(progress, f"{recipe.metric} by device seconds")),
            "mlflow": dg.MetadataValue.url(log.url),
        },
    )


def _trials(ledger: "Ledger", outcome: "SearchOutcome") -> pl.DataFrame:
    """A row for every attempt at a rung, in the order in which they ran."""
    candidates = {candidate.trial: candidate for candidate in ledger.proposals()}
    winner = outcome.winner
    best = None if winner is None else (winner.candidate.trial, winner.rung, winner.metric)
    numbers = [each.number for each in ledger.attempts() if (each.trial, each.rung, each.metric) == best]
    rows = [
        {
            **asdict(attempt),
            "encoder": candidates[attempt.trial].encoder,
            "params": json.dumps(asdict(candidates[attempt.trial]), sort_keys=True),
            "epoch_seconds": attempt.epoch_s,
            "is_winner": attempt.number in numbers[:1],
        }
        for attempt in ledger.attempts()
    ]
    return pl.DataFrame([{name: row[name] for name in TRIAL_SCHEMA} for row in rows], schema=TRIAL_SCHEMA)


def _furthest(trials: pl.DataFrame) -> pl.DataFrame:
    """The last attempt of the trials that reached the highest rungs, the best first."""
    last = trials.sort("rung", "metric", descending=True, nulls_last=True).unique("trial", maintain_order=True)
    return last.drop("reason", "epoch_seconds").head(SHOWN_TRIALS)
