"""The champion: the classifier that predicts for the catalog; champion.json and the aliases in MLflow name it."""

from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.evaluation.promoted import champion_record, last_promoted, promoted_folder
from catalog_assets.idioms.conditions import when_upstream_changes
from resources.mlflow.registry import MODEL, set_aliases
from resources.mlflow.tracking import Tracking
from resources.store import Store


@dg.asset(
    group_name="evaluation",
    kinds={"json", "mlflow"},
    code_version="4",
    automation_condition=when_upstream_changes,
)
def champion(champion_decisions: pl.LazyFrame, store: Store, tracking: Tracking) -> dg.MaterializeResult[None]:
    """The classifier that was promoted last: champion.json and the aliases in MLflow, derived from the decisions.

    Every run writes both anew, so whatever a killed run left behind is corrected. A refused candidate changes nothing
    but the alias `candidate`: the data version is the champion's fingerprint, and nothing downstream is triggered.
    """
    decisions = champion_decisions.collect()
    decision = last_promoted(decisions)
    if decision is None:
        raise dg.Failure("no candidate was ever promoted; materialize champion_decisions again")
    set_aliases(tracking, aliases(decisions))
    record = champion_record(store, decision)
    store.write_json(record, "champion", "champion.json")
    sha256 = record["sha256"]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            "classifier": record["classifier"],
            "reason": record["reason"],
            record["metric"]: record["value"],
            "chosen on": record["split"],
            "decided on": record["decided_on"],
            "registered as": f"models:/{MODEL}/{record['version']}",
            "folder": dg.MetadataValue.path(str(promoted_folder(store, sha256))),
        },
    )


def aliases(decisions: pl.DataFrame) -> dict[str, str | None]:
    """The version in MLflow of each alias: champion, former (the champion before) and candidate (refused last)."""
    newest: dict[str, Any] = decisions.row(-1, named=True)
    promoted = decisions.filter("promoted")["version"].to_list()
    former = [version for version in promoted if version != promoted[-1]]
    return {
        "champion": promoted[-1],
        "former": former[-1] if former else None,
        "candidate": None if newest["promoted"] else newest["version"],
    }
