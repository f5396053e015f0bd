"""The champion: the classifier that predicts for the catalog; champion.json and the aliases in MLflow name it."""

import json
from typing import Any

import dagster as dg
import polars as pl

from catalog.storage.commits import ConflictError, commit
from catalog.storage.files import read_if_exists
from catalog_assets.evaluation.decisions_table import read_decisions
from catalog_assets.evaluation.promoted import champion_record, promoted_folder
from catalog_assets.idioms.conditions import when_upstream_changes
from resources.mlflow.registry import MODEL, set_aliases
from resources.mlflow.tracking import Tracking
from resources.store import Store

FILE = ("champion", "champion.json")
MAX_ATTEMPTS = 5  # to name the champion of the newest decision while other runs decide


@dg.asset(
    deps=["champion_decisions"],
    group_name="evaluation",
    kinds={"json", "mlflow"},
    code_version="4",
    pool="champion",
    automation_condition=when_upstream_changes,
)
def champion(store: Store, tracking: Tracking) -> dg.MaterializeResult[None]:
    """The classifier that was promoted last: champion.json and the aliases in MLflow, derived from the decisions.

    Every run writes both anew, so whatever a killed run left behind is corrected. A refused candidate changes nothing
    but the alias `candidate`: the data version is the champion's fingerprint, and nothing downstream is triggered.
    """
    record = name_champion(store, tracking)
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


def name_champion(store: Store, tracking: Tracking) -> dict[str, Any]:
    """Writes champion.json and the aliases in MLflow, as the newest decisions want them; returns the record.

    The table of decisions is the commit, and both follow from it. champion.json is not replaced if another run has done
    so since the decisions were read, and both are written again where a decision was added meanwhile, so that of two
    runs the one with the older decisions never has the last word.

    Raises:
        ConflictError: others decide all the time.
        dg.Failure: no candidate was ever promoted, or the champion's files are another's, or gone.
    """
    path = store.path.joinpath(*FILE)
    for _ in range(MAX_ATTEMPTS):
        former = read_if_exists(path)
        decisions = read_decisions(store)
        decision = decisions.last_promoted
        if decision is None:
            raise dg.Failure("no candidate was ever promoted; materialize champion_decisions again")
        record = champion_record(store, decision)
        try:
            commit(path, json.dumps(record, indent=2, sort_keys=True).encode(), replacing=former)
        except ConflictError:
            continue
        set_aliases(tracking, aliases(decisions.rows))
        if read_decisions(store).content == decisions.content:
            return record
    raise ConflictError(f"{str(path)!r} was changed by other runs {MAX_ATTEMPTS} times in a row; run this again")


def aliases(decisions: pl.DataFrame) -> dict[str, str | None]:
    """The version in MLflow of each alias: former (the champion before), candidate (refused last) and champion.

    The champion comes last: once its alias has moved, the others are right.
    """
    newest: dict[str, Any] = decisions.row(-1, named=True)
    promoted = decisions.filter("promoted")["version"].to_list()
    former = [version for version in promoted if version != promoted[-1]]
    return {
        "former": former[-1] if former else None,
        "candidate": None if newest["promoted"] else newest["version"],
        "champion": promoted[-1],
    }
