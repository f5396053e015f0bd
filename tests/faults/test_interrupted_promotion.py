"""A promotion killed at each step: one and the same champion everywhere after the next run, and one decision each."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from catalog_assets.evaluation.promoted import CHOSEN_ON, current_champion, promoted_folder, promoted_record
from ml.file_digests import file_sha256
from resources.configured import configured
from resources.mlflow.registry import MODEL
from resources.mlflow.tracking import Tracking
from resources.settings import Settings
from resources.store import Store
from tests.conftest import CLASSIFIERS, TinyCatalog
from tests.end_to_end.services import copy_of
from tests.faults.killed_run import materialize
from tests.faults.killing import Moment, killed

PROMOTION = ["champion_decisions", "champion"]
DECISIONS = "catalog_assets.evaluation.champion_decisions"
CHAMPION = "catalog_assets.evaluation.champion"
# In the order in which a promotion reaches them; those before the decision leave the former champion.
BEFORE_THE_DECISION = (
    Moment("after", f"{DECISIONS}:keep"),  # its files are kept
    Moment("after", "mlflow:MlflowClient.create_model_version"),  # it is a version in MLflow, without an alias
    Moment("after", f"{DECISIONS}:register_candidate"),  # the alias `current` names it
)
AFTER_THE_DECISION = (
    Moment(
        "after", "resources.tables:TableIO.handle_output"
    ),  # the decision is in the table, and Dagster knows nothing
    Moment("before", f"{CHAMPION}:set_aliases"),
    Moment("after", "mlflow:MlflowClient.set_registered_model_alias"),  # one alias of two has moved
    Moment("after", f"{CHAMPION}:set_aliases"),  # both have, and champion.json names the former one
    Moment("after", "resources.store:Store.write_json"),  # champion.json is written, and Dagster does not know
)


@pytest.fixture
def store(tiny_catalog: TinyCatalog, memory_dir: Path) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(dir=memory_dir) as folder:
        yield Store(root=str(copy_of(tiny_catalog, Path(folder))))


def lead_on_validation(store: Store, *, is_right: bool) -> str:
    """Let the classifier that is not champion lead on validation, and be right on all golden images or on none.

    Returns its fingerprint.
    """
    champion = current_champion(store)
    assert champion is not None
    [name] = {*CLASSIFIERS} - {champion["classifier"]}
    split, level, metric = CHOSEN_ON
    chosen = (pl.col("split") == split) & (pl.col("level") == level) & (pl.col("metric") == metric)
    metrics = store.scan("metrics", [name]).collect()
    store.write(metrics.with_columns(value=pl.when(chosen).then(1.0).otherwise("value")), "metrics", name)
    golden = store.predictions(name).filter(split="golden")
    best = pl.col("true_4") if is_right else -pl.col("true_4")
    store.write(golden.with_columns(top_4=pl.concat_list(best)), "predictions", name, "golden")
    return store.fingerprint("classifiers", name)


def aliases(store: Store) -> dict[str, str]:
    """The fingerprint of the classifier to which each alias points."""
    tracking = configured(Settings.read(store=store.root))["tracking"]
    assert isinstance(tracking, Tracking)
    client = tracking.client()
    versions = {str(each.version): each.tags["sha256"] for each in client.search_model_versions(f"name = '{MODEL}'")}
    assert len(set(versions.values())) == len(versions), "one classifier is two versions"
    named = client.get_registered_model(MODEL).aliases
    return {alias: versions[str(version)] for alias, version in named.items()}


def decisions(store: Store) -> list[tuple[str, str | None]]:
    """The fingerprints of each candidate and of the champion that it was compared with."""
    rows = store.scan("champion_decisions").sort("decided_at").collect()
    return rows.select("candidate_sha256", "champion_sha256").rows()


def is_whole(store: Store, sha256: str) -> bool:
    """Returns True if the files of a promoted classifier are there as they were trained."""
    weights = promoted_folder(store, sha256) / "weights.safetensors"
    return promoted_record(store, sha256)["sha256"] == sha256 == file_sha256(weights)


def assert_champion_everywhere(store: Store, champion: str, former: str) -> None:
    """Assert that the decision, champion.json, the files and the aliases name one champion, decided once."""
    derived = current_champion(store)
    assert derived is not None
    assert derived["sha256"] == champion
    assert store.read_json("champion", "champion.json") == derived
    assert is_whole(store, champion)
    assert aliases(store) == {"champion": champion, "former": former, "current": champion}
    assert decisions(store) == [(former, None), (champion, former)]


def test_one_run_after_a_promotion_killed_at_any_step_there_is_one_champion(store: Store) -> None:
    former, challenger = aliases(store)["champion"], lead_on_validation(store, is_right=True)
    copy = Store(root=f"{store.root}-copy")
    for moment in (*BEFORE_THE_DECISION, *AFTER_THE_DECISION):
        killed(store.local, ",".join(PROMOTION), moment)
        derived = current_champion(store)
        assert derived is not None
        assert derived["sha256"] == (former if moment in BEFORE_THE_DECISION else challenger), moment
        assert is_whole(store, former)
        assert aliases(store)["champion"] in (former, derived["sha256"]), moment
        # The next run goes over a copy, so that the next kill meets what this one left.
        shutil.copytree(store.local, copy.local)
        assert materialize(copy.local, PROMOTION, None).success
        assert_champion_everywhere(copy, challenger, former)
        shutil.rmtree(copy.local)
    assert materialize(store.local, PROMOTION, None).success
    assert_champion_everywhere(store, challenger, former)


def test_one_run_after_a_refusal_killed_before_its_alias_the_alias_names_it(store: Store) -> None:
    champion, candidate = aliases(store)["champion"], lead_on_validation(store, is_right=False)
    killed(store.local, ",".join(PROMOTION), Moment("before", f"{CHAMPION}:set_aliases"))
    assert materialize(store.local, PROMOTION, None).success
    assert aliases(store) == {"champion": champion, "candidate": candidate, "current": candidate}
    assert decisions(store) == [(champion, None), (candidate, champion)]
    assert store.read_json("champion", "champion.json") == current_champion(store)
