"""Champion decisions: a row for each candidate that was compared with the champion, promoted or not."""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from catalog.evaluation.promotion import decide, decide_first
from catalog.storage.commits import ConflictError
from catalog_assets.classifiers.lookup import RECORD_FILE, classifier_folder
from catalog_assets.evaluation.candidates import (
    best_on_validation,
    candidate_record,
    compare_with_champion,
    deciding_predictions,
    refuse_stale_predictions,
)
from catalog_assets.evaluation.decisions_table import Decisions, append_decision, decisions_path, read_decisions
from catalog_assets.evaluation.promoted import WEIGHTS_FILE, keep
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import records
from catalog_assets.idioms.versions import content_version
from resources.mlflow.registry import register_candidate
from resources.mlflow.tracking import Tracking
from resources.store import Store
from resources.tables import table_metadata

MAX_ATTEMPTS = 5  # to add a decision while other runs add theirs


@dataclass(frozen=True, kw_only=True)
class DecidingRun:
    """The run that decides: its instance, which knows from what the predictions were made, and its ID."""

    instance: dg.DagsterInstance
    run_id: str


@dg.asset(
    deps=["metrics"],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "mlflow"},
    code_version="2",
    pool="champion",  # one at a time; two would decide on the same candidate
    automation_condition=when_upstream_changes,
)
def champion_decisions(
    context: dg.AssetExecutionContext, comparison: pl.LazyFrame, store: Store, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """Candidates that led on validation and whether golden images confirmed each; the last promoted is the champion.

    A candidate is promoted if it is better with p < 0.05, or as good at half the cost per image. It is compared once
    with a champion on the same images: repeated often enough, chance would promote it. A refused candidate is a row
    with its reason, and the run succeeds.
    """
    run = DecidingRun(instance=context.instance, run_id=context.run.run_id)
    decisions, reason = decide_on_candidate(comparison, store, tracking, run)
    context.log.info(reason)
    time = pl.col("decided_at").dt.strftime("%Y-%m-%d %H:%M")
    newest_first = decisions.rows.select(time, "candidate", "champion", "promoted", "reason").reverse()
    return dg.MaterializeResult(
        data_version=content_version(decisions.rows),
        metadata={
            "decisions, newest first": records(newest_first),
            "reason": reason,
            **table_metadata(decisions.rows, decisions_path(store)),
        },
    )


def decide_on_candidate(
    comparison: pl.LazyFrame, store: Store, tracking: Tracking, run: DecidingRun
) -> tuple[Decisions, str]:
    """Decides on the classifier that leads on validation; returns all decisions and the reason of this one.

    The row that is added to the table is the commit. Where another run has added one since the table was read, the
    candidate is compared again, with the champion of now.

    Raises:
        ConflictError: others add decisions all the time.
        dg.Failure: there is no candidate, or its files or predictions are of another version of it.
    """
    for attempt in range(MAX_ATTEMPTS):
        try:
            return _decide(comparison, store, tracking, run)
        except ConflictError:
            if attempt == MAX_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _decide(comparison: pl.LazyFrame, store: Store, tracking: Tracking, run: DecidingRun) -> tuple[Decisions, str]:
    decisions = read_decisions(store)
    champion = decisions.last_promoted
    name, value = best_on_validation(comparison, store)
    record = candidate_record(store, name)
    sha256 = record["sha256"]
    if champion is not None and champion["candidate_sha256"] == sha256:
        return decisions, f"{name}, the champion, leads on validation"
    refuse_stale_predictions(run.instance, name, sha256)
    predictions = deciding_predictions(store, name)
    pair = {
        "candidate_sha256": sha256,
        "champion_sha256": champion and champion["candidate_sha256"],
        "images_sha256": predictions.images_sha256,
    }
    known = decisions.rows.filter(pl.col(key).eq_missing(pl.lit(each)) for key, each in pair.items()).rows(named=True)
    if known:
        earlier = known[-1]
        return decisions, f"decided on {earlier['decided_at']:%Y-%m-%d} by the same images: {earlier['reason']}"
    figures: dict[str, int | float] = {}
    if champion is None:
        decision = decide_first(name)
    else:
        compared, cost_ratio = compare_with_champion(store, record, predictions, champion)
        figures = {**vars(compared), "cost_ratio": cost_ratio}
        decision = decide(name, _distinct(champion["candidate"], name), compared, cost_ratio)
    folder = classifier_folder(store, name)
    files = [folder / WEIGHTS_FILE, folder / RECORD_FILE]
    # Files first, then the version, then the row that names both: a run killed in between leaves no decision, and
    # the next one repeats these steps without a second copy or version.
    if decision.promoted:
        keep(store, sha256, predictions.rows, files)
    tags = {"sha256": sha256, "classifier": name, "dagster/run_id": run.run_id}
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
    return append_decision(store, decisions, row), decision.reason


def _distinct(champion: str, candidate: str) -> str:
    """The champion's name in a reason, where a recipe that was trained again is compared with its former self."""
    return f"the former {champion}" if champion == candidate else champion
