"""The champion: the classifier that answers for the catalogue until one is shown to be better, or as good and cheap."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from catalog.promotion import Verdict, decide, unopposed
from catalog_assets.candidates import (
    CHOSEN_ON,
    answers_of,
    beside_champion,
    best_on_validation,
    classifier_record,
    keep,
    kept_folder,
    kept_record,
    refuse_others_predictions,
)
from catalog_assets.conditions import when_upstream_changes
from catalog_assets.markdown import records
from catalog_assets.versions import content_version
from resources.registry import MODEL, promote, register_candidate
from resources.store import Store
from resources.tracking import Tracking

CHECK = "candidate_may_replace_champion"

DECISIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": pl.Datetime("us", "UTC"),
    "candidate": pl.String,
    "candidate_sha256": pl.String,
    "champion": pl.String,  # that was to be replaced; none before the first
    "champion_sha256": pl.String,
    "validation_value": pl.Float64,
    "split": pl.String,
    "pictures_sha256": pl.String,  # which products and labels both were judged by
    **dict.fromkeys(("num_samples", "only_candidate", "only_champion"), pl.Int64),
    **dict.fromkeys(("p_value", "p_exact", "difference", "difference_low", "difference_high"), pl.Float64),
    "cost_ratio": pl.Float64,  # the candidate's time a picture over the champion's
    "promoted": pl.Boolean,
    "reason": pl.String,
    "version": pl.String,  # of the model in MLflow
}


@dg.asset(
    deps=["metrics"],
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="champion_decisions",
            blocking=True,
            description="Better on golden pictures with p < 0.05, or as good at half the cost a picture.",
        )
    ],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "mlflow"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def champion_decisions(
    context: dg.AssetExecutionContext, comparison: pl.LazyFrame, store: Store, tracking: Tracking
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Every candidate that the validation split preferred to the champion, and whether golden pictures confirmed it.

    A candidate is compared once with a champion on the same pictures: asked often enough, chance would say yes. So the
    check fails once for a candidate that is refused, and later runs go on with the champion that there is.
    """
    held = _held(store)
    name, value = best_on_validation(comparison, store)
    record = classifier_record(store, name)
    sha256 = record["sha256"]
    opponent = next(iter(held.filter("promoted").tail(1).rows(named=True)), None)
    if opponent is not None and opponent["candidate_sha256"] == sha256:
        yield from _told(held, Verdict(promoted=True, reason=f"{name}, the champion, leads on validation"))
        return
    refuse_others_predictions(context.instance, name, sha256)
    answers = answers_of(store, name)
    pair = {
        "candidate_sha256": sha256,
        "champion_sha256": opponent and opponent["candidate_sha256"],
        "pictures_sha256": answers.pictures_sha256,
    }
    known = held.filter(pl.col(key).eq_missing(pl.lit(each)) for key, each in pair.items()).rows(named=True)
    if known:
        reason = f"decided on {known[-1]['decided_at']:%Y-%m-%d} by the same pictures: {known[-1]['reason']}"
        yield from _told(held, Verdict(promoted=True, reason=reason))
        return
    figures: dict[str, int | float] = {}
    if opponent is None:
        verdict = unopposed(name)
    else:
        compared, cost_ratio = beside_champion(store, record, answers, opponent)
        figures = {**vars(compared), "cost_ratio": cost_ratio}
        former = opponent["candidate"]
        verdict = decide(name, f"the former {former}" if former == name else former, compared, cost_ratio)
    made = store.here("classifiers", name)
    files = [made / "weights.safetensors", made / "classifier.json"]
    tags = {"sha256": sha256, "classifier": name, "dagster/run_id": context.run.run_id}
    if verdict.promoted:
        keep(store, sha256, answers, files)
    decision = {
        "decided_at": datetime.now(UTC),
        "candidate": name,
        "champion": opponent and opponent["candidate"],
        **pair,
        "validation_value": value,
        "split": answers.split,
        "num_samples": len(answers.rows),
        **figures,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "version": register_candidate(tracking, record["mlflow_run_id"], files, tags),
    }
    context.log.info(verdict.reason)
    yield from _told(pl.concat([held, pl.DataFrame([decision], schema=DECISIONS)]), verdict)


@dg.asset(
    group_name="evaluation",
    kinds={"json", "mlflow"},
    code_version="3",
    automation_condition=when_upstream_changes,
)
def champion(champion_decisions: pl.LazyFrame, store: Store, tracking: Tracking) -> dg.MaterializeResult[None]:
    """The classifier that was promoted last; it and its forerunners are kept, in the store and in MLflow."""
    decision = champion_decisions.filter("promoted").collect().row(-1, named=True)
    sha256 = decision["candidate_sha256"]
    record = kept_record(store, sha256)
    promote(tracking, decision["version"])
    split, _, metric = CHOSEN_ON
    store.write_json(
        {
            "classifier": decision["candidate"],
            "sha256": sha256,
            "promoted_at": decision["decided_at"].isoformat(),
            "trainable_labels": record["trainable_labels"],
            "split": split,
            "metric": metric,
            "value": decision["validation_value"],
            "reason": decision["reason"],
            "version": decision["version"],
        },
        "champion",
        "champion.json",
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            "classifier": decision["candidate"],
            "reason": decision["reason"],
            metric: decision["validation_value"],
            "chosen on": split,
            "judged on": decision["split"],
            "registered as": f"models:/{MODEL}/{decision['version']}",
            "folder": dg.MetadataValue.path(str(kept_folder(store, sha256))),
        },
    )


def _held(store: Store) -> pl.DataFrame:
    if not store.holds("champion_decisions"):
        return pl.DataFrame(schema=DECISIONS)
    return store.scan("champion_decisions").collect()


def _told(decisions: pl.DataFrame, verdict: Verdict) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """The table, and the check, which lets nothing pass to the champion that was not promoted."""
    when = pl.col("decided_at").dt.strftime("%Y-%m-%d %H:%M")
    shown = decisions.select(when, "candidate", "champion", "promoted", "reason").reverse()
    yield dg.MaterializeResult(
        value=decisions,
        data_version=content_version(decisions),
        metadata={"decisions, newest first": records(shown), "reason": verdict.reason},
    )
    yield dg.AssetCheckResult(check_name=CHECK, passed=verdict.promoted, description=verdict.reason)
