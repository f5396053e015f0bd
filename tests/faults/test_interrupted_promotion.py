"""A promotion that is killed at each of its steps: the former champion answers or the new one, and each counts once."""

import polars as pl
import pytest

from catalog_assets.candidates import CHOSEN_ON, kept_folder, kept_record
from catalog_assets.definitions import resources
from ml.file_digests import file_sha256
from resources.registry import MODEL
from resources.store import Store
from resources.tracking import Tracking
from tests.conftest import CLASSIFIERS, TinyCatalogue
from tests.end_to_end.services import copy_of
from tests.faults.killed_run import materialise
from tests.faults.killing import Moment, killed

PROMOTION = ["champion_decisions", "champion"]
PROMOTION_STEPS = (
    Moment("after", "catalog_assets.champion:register_candidate"),  # its files are kept, and are a version in MLflow
    Moment("before", "catalog_assets.champion:promote"),  # the decision is in the table
    Moment("after", "mlflow:MlflowClient.set_registered_model_alias"),  # one alias of two has moved
    Moment("after", "catalog_assets.champion:promote"),  # both have, and champion.json names the former one
)


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(root=str(copy_of(tiny_catalogue, tmp_path_factory.mktemp("promotion"))))


@pytest.fixture(scope="module")
def challenger(store: Store) -> str:
    """The fingerprint of the other classifier, after it was right about every golden picture."""
    champion = store.read_json("champion", "champion.json")
    assert champion is not None
    [name] = {*CLASSIFIERS} - {champion["classifier"]}
    split, level, metric = CHOSEN_ON
    chosen = (pl.col("split") == split) & (pl.col("level") == level) & (pl.col("metric") == metric)
    metrics = store.scan("metrics", [name]).collect()
    store.write(metrics.with_columns(value=pl.when(chosen).then(1.0).otherwise("value")), "metrics", name)
    golden = store.predictions(name).filter(split="golden")
    store.write(golden.with_columns(top_4=pl.concat_list("true_4")), "predictions", name, "golden")
    return store.fingerprint("classifiers", name)


def aliases(store: Store) -> dict[str, str]:
    """Which classifier, by its fingerprint, has which of the aliases that a promotion moves."""
    tracking = resources(store.root)["tracking"]
    assert isinstance(tracking, Tracking)
    client = tracking.client()
    versions = {str(each.version): each.tags["sha256"] for each in client.search_model_versions(f"name = '{MODEL}'")}
    assert len(set(versions.values())) == len(versions), "one classifier is two versions"
    named = client.get_registered_model(MODEL).aliases
    return {alias: versions[str(named[alias])] for alias in ("champion", "former", "candidate") if alias in named}


def test_a_promotion_killed_at_every_step_has_a_champion_throughout_and_one_decision_in_the_end(
    store: Store, challenger: str
) -> None:
    former = aliases(store)["champion"]
    for moment in PROMOTION_STEPS:
        killed(store.local, ",".join(PROMOTION), moment)
        named = store.read_json("champion", "champion.json")
        assert named is not None
        assert named["sha256"] == former
        assert kept_record(store, former)["sha256"] == file_sha256(kept_folder(store, former) / "weights.safetensors")
        assert aliases(store)["champion"] in (former, challenger)
    assert materialise(store.local, PROMOTION, None).success
    record = store.read_json("champion", "champion.json")
    assert record is not None
    assert record["sha256"] == challenger
    assert file_sha256(kept_folder(store, challenger) / "weights.safetensors") == challenger
    assert aliases(store) == {"champion": challenger, "former": former}
    decisions = store.scan("champion_decisions").sort("decided_at").collect()
    assert decisions.select("candidate_sha256", "champion_sha256").rows() == [(former, None), (challenger, former)]
