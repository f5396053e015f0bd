"""Champion decisions: a row for each candidate that was compared with the champion, promoted or not."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from catalog.evaluation.promotion import decide, decide_first
from catalog_assets.classifiers.lookup import RECORD_FILE, classifier_folder
from catalog_assets.evaluation.candidates import (
    best_on_validation,
    candidate_record,
    compare_with_champion,
    deciding_predictions,
    refuse_stale_predictions,
)
from catalog_assets.evaluation.promoted import TABLE, keep, last_promoted
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import records
from catalog_assets.idioms.versions import content_version
from resources.mlflow.registry import register_candidate
from resources.mlflow.tracking import Tracking
from resources.store import Store

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": pl.Datetime("us", "UTC"),
    "candidate": pl.String,
    "candidate_sha256": pl.String,
    "champion": pl.String,  # at the time of the decision; null before the first
    "champion_sha256": pl.String,
    "validation_value": pl.Float64,
    "split": pl.String,  # on which both were evaluated
    "images_sha256": pl.String,  # of the products and labels on which both were evaluated
    **dict.fromkeys(("num_samples", "only_candidate", "only_champion"), pl.Int64),
    **dict.fromkeys(("p_value", "p_exact", "difference", "difference_low", "difference_high"), pl.Float64),
    "cost_ratio": pl.Float64,  # the candidate's time per image divided by the champion's
    "promoted": pl.Boolean,
    "reason": pl.String,
    "version": pl.String,  # of the model in MLflow
}


@dg.asset(
    deps=["metrics"],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "mlflow"},
    code_version="2",
    automation_condition=when_upstream_changes,
)
def champion_decisions(
    context: dg.AssetExecutionContext, comparison: pl.LazyFrame, store: Store, tracking: Tracking
) -> dg.MaterializeResult[pl.DataFrame]:
    """Candidates that led on validation and whether golden images confirmed each; the last promoted is the champion.

    A candidate is promoted if it is better with p < 0.05, or as good at half the cost per image. It is compared once
    with a champion on the same images: repeated often enough, chance would promote it. A refused candidate is a row
    with its reason, and the run succeeds.
    """
    decisions = store.scan(TABLE).collect() if store.holds(TABLE) else pl.DataFrame(schema=SCHEMA)
    champion = last_promoted(decisions)
    name, value = best_on_validation(comparison, store)
    record = candidate_record(store, name)
    sha256 = record["sha256"]
    if champion is not None and champion["candidate_sha256"] == sha256:
        return _result(decisions, f"{name}, the champion, leads on validation")
    refuse_stale_predictions(context.instance, name, sha256)
    predictions = deciding_predictions(store, name)
    pair = {
        "candidate_sha256": sha256,
        "champion_sha256": champion and champion["candidate_sha256"],
        "images_sha256": predictions.images_sha256,
    }
    known = decisions.filter(pl.col(key).eq_missing(pl.lit(each)) for key, each in pair.items()).rows(named=True)
    if known:
        earlier = known[-1]
        return _result(
            decisions, f"decided on {earlier['decided_at']:%Y-%m-%d} by the same images: {earlier['reason']}"
        )
    figures: dict[str, int | float] = {}
    if champion is None:
        decision = decide_first(name)
    else:
        compared, cost_ratio = compare_with_champion(store, record, predictions, champion)
        figures = {**vars(compared), "cost_ratio": cost_ratio}
        decision = decide(name, _distinct(champion["candidate"], name), compared, cost_ratio)
    folder = classifier_folder(store, name)
    files = [folder / "weights.safetensors", folder / RECORD_FILE]
    # Files first, then the version, then the row that names both: a run killed in between leaves no decision, and
    # the next one repeats these steps without a second copy or version.
    if decision.promoted:
        keep(store, sha256, predictions.rows, files)
    tags = {"sha256": sha256, "classifier": name, "dagster/run_id": context.run.run_id}
    row = {
        "decided_at": datetime.now(UTC),
        "candidate": name,
        "champion": champion and champion["candidate"],
        **pair,
        "validation_value": value,
        "split": predictions.split,
        "num_samples": len(predictions.rows),
        **figures,
        "promoted": decision.promoted,
        "reason": decision.reason,
        "version": register_candidate(tracking, record["mlflow_run_id"], files, tags),
    }
    context.log.info(decision.reason)
    return _result(pl.concat([decisions, pl.DataFrame([row], schema=SCHEMA)]), decision.reason)


def _distinct(champion: str, candidate: str) -> str:
    """The champion's name in a reason, where a recipe that was trained again is compared with its former self."""
    return f"the former {champion}" if champion == candidate else champion


def _result(decisions: pl.DataFrame, reason: str) -> dg.MaterializeResult[pl.DataFrame]:
    """The table, with the reason of the last decision in its metadata."""
    time = pl.col("decided_at").dt.strftime("%Y-%m-%d %H:%M")
    newest_first = decisions.select(time, "candidate", "champion", "promoted", "reason").reverse()
    return dg.MaterializeResult(
        value=decisions,
        data_version=content_version(decisions),
        metadata={"decisions, newest first": records(newest_first), "reason": reason},
    )
