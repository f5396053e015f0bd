"""The champion: golden pictures confirm whom validation prefers, or the check keeps it out; both are kept."""

import json
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray

from catalog_assets.champion import CHECK, champion, champion_decisions
from resources.io import TableIO
from resources.registry import MODEL
from resources.store import Store
from resources.tracking import Tracking

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Scarves\n"
OLD, NEW = "imagenet-lite0-probe", "simclr-mnv3-finetune"
NUM_GOLDEN = 400
TRUE = np.resize([2, 3], NUM_GOLDEN)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    reference = tmp_path / "store" / "reference"
    reference.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "business_value.csv").write_text("leaf,units_sold\n2,100\n3,300\n")
    return Store(root=str(tmp_path / "store"))


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database before the first run: making it takes longer than any test."""
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Tracking(uri=f"sqlite:///{database}", artifacts="").client().search_experiments()
    return database


@pytest.fixture
def tracking(tmp_path: Path, empty_mlflow: Path) -> Tracking:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    return Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=str(tmp_path / "artifacts"))


def right_on(share: float) -> NDArray[np.int64]:
    """Answers of which a share is right; those of a smaller share are nested in them, and a roll is right as often."""
    return np.where(np.random.default_rng(0).random(NUM_GOLDEN) < share, TRUE, 5 - TRUE)


class Case:
    """A store of judged classifiers, and what the two assets make of it."""

    def __init__(self, store: Store, tracking: Tracking, instance: dg.DagsterInstance) -> None:
        self.store, self.tracking, self.instance = store, tracking, instance

    def judged(  # one classifier, as its assets would leave it
        self, name: str, sha256: str, value: float, answers: NDArray[np.int64], ms: float = 1.0, num: int = NUM_GOLDEN
    ) -> None:
        folder = self.store.local / "classifiers" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.safetensors").write_text(f"weights of {sha256}")
        client = self.tracking.client()
        experiment = client.get_experiment_by_name("shelfsight")
        made = (
            experiment.experiment_id if experiment else client.create_experiment("shelfsight", self.tracking.artifacts)
        )
        record = {
            "sha256": sha256,
            "trainable_labels": 600,
            "ms_per_picture": ms,
            "mlflow_run_id": client.create_run(made).info.run_id,
        }
        self.store.write_json(record, "classifiers", name, "classifier.json")
        golden = pl.DataFrame(
            {
                "product_id": [f"golden:{n}" for n in range(num)],
                "split": ["golden"] * num,
                "true_4": TRUE[:num],
                "top_4": answers[:num, None].tolist(),
                "probability_4": [[0.9]] * num,
            }
        )
        self.store.write(golden, "predictions", name, "golden")
        scored = {"classifier": name, "split": "val", "level": 4, "metric": "value_weighted_accuracy", "value": value}
        self.store.write(pl.DataFrame([scored]), "metrics", name)
        names = self.store.partitions("metrics")
        self.store.write(pl.DataFrame({"classifier": names, "kind": "classifier"}), "comparison")

    def run(self) -> dg.ExecuteInProcessResult:
        comparison = dg.AssetSpec("comparison", metadata={"dagster/io_manager_key": "tables"})
        return dg.materialize(
            [comparison, dg.AssetSpec("metrics"), champion_decisions, champion],
            instance=self.instance,
            resources={"store": self.store, "tables": TableIO(store=self.store), "tracking": self.tracking},
            raise_on_error=False,
        )

    @property
    def record(self) -> dict[str, object]:
        found = self.store.read_json("champion", "champion.json")
        assert found is not None
        return found

    @property
    def decisions(self) -> pl.DataFrame:
        return self.store.scan("champion_decisions").collect()

    @property
    def aliases(self) -> dict[str, str]:
        """Which classifier, by its fingerprint, has which of the aliases that decisions move."""
        client: MlflowClient = self.tracking.client()
        named = {alias: str(version) for alias, version in client.get_registered_model(MODEL).aliases.items()}
        return {
            alias: client.get_model_version(MODEL, version).tags["sha256"]
            for alias, version in named.items()
            if alias in ("champion", "candidate", "former")
        }


@pytest.fixture
def case(store: Store, tracking: Tracking, instance: dg.DagsterInstance) -> Case:
    case = Case(store, tracking, instance)
    case.judged(OLD, "a" * 64, 0.7, right_on(0.7))
    return case


def test_the_first_champion_needs_no_opponent(case: Case) -> None:
    assert case.run().success
    assert case.record["classifier"] == OLD
    assert "first champion" in str(case.record["reason"])
    assert case.decisions.select("candidate", "champion", "promoted", "num_samples").rows() == [
        (OLD, None, True, NUM_GOLDEN)
    ]
    assert case.aliases == {"champion": "a" * 64}


def test_a_better_candidate_takes_over_and_both_are_kept(case: Case) -> None:
    case.run()
    case.judged(NEW, "b" * 64, 0.8, right_on(0.85))
    assert case.run().success
    assert case.record["classifier"] == NEW
    assert "is better" in str(case.record["reason"])
    assert case.decisions["promoted"].to_list() == [True, True]
    assert case.aliases == {"champion": "b" * 64, "former": "a" * 64}
    for sha256 in ("a" * 64, "b" * 64):
        kept = case.store.local / "champion" / sha256[:16]
        assert (kept / "weights.safetensors").read_text() == f"weights of {sha256}"
        assert json.loads((kept / "classifier.json").read_text())["sha256"] == sha256


def test_a_candidate_that_golden_pictures_do_not_confirm_is_kept_out_by_the_check(case: Case) -> None:
    case.run()
    case.judged(NEW, "b" * 64, 0.8, np.roll(right_on(0.7), 2))  # validation prefers it
    result = case.run()
    assert not result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (CHECK, False)
    assert f"{OLD} stays: {NEW} is not shown to be better" in str(check.description)
    assert case.record["classifier"] == OLD
    assert case.aliases == {"champion": "a" * 64, "candidate": "b" * 64}


def test_a_refused_candidate_is_not_asked_about_again_and_what_comes_after_goes_on(case: Case) -> None:
    case.run()
    case.judged(NEW, "b" * 64, 0.8, np.roll(right_on(0.7), 2))
    case.run()
    assert case.run().success
    assert len(case.decisions) == 2
    assert case.record["classifier"] == OLD


def test_an_equal_candidate_takes_over_at_half_the_time_a_picture(case: Case) -> None:
    case.run()
    case.judged(NEW, "b" * 64, 0.71, right_on(0.7), ms=0.5)
    assert case.run().success
    assert "as good, within 1 points, and cheaper" in str(case.record["reason"])


def test_a_recipe_trained_again_is_compared_with_what_it_was_before(case: Case) -> None:
    case.run()
    case.judged(OLD, "c" * 64, 0.9, right_on(0.9))
    assert case.run().success
    assert f"{OLD} is better" in str(case.record["reason"])
    assert f"the former {OLD} alone" in str(case.record["reason"])
    assert case.aliases == {"champion": "c" * 64, "former": "a" * 64}


def test_the_champion_itself_is_not_decided_upon_again(case: Case) -> None:
    case.run()
    assert case.run().success
    assert len(case.decisions) == 1


def test_a_former_self_that_other_pictures_judged_is_no_opponent_and_the_error_counts_them(case: Case) -> None:
    case.run()
    case.judged(OLD, "c" * 64, 0.9, right_on(0.9), num=NUM_GOLDEN - 3)
    result = case.run()
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert "397 and 400 products, of which 0 and 3 are the one's alone" in str(failure.event_specific_data)
    assert case.record["sha256"] == "a" * 64


@pytest.mark.parametrize(("version", "is_taken"), [("a" * 64, True), ("d" * 64, False)])
def test_predictions_of_another_version_of_the_candidate_are_refused(case: Case, version: str, is_taken: bool) -> None:
    @dg.asset(name="classifiers", partitions_def=dg.StaticPartitionsDefinition([OLD]))
    def classifiers() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    @dg.asset(name="predictions", deps=[classifiers], partitions_def=dg.StaticPartitionsDefinition([OLD]))
    def predictions() -> None:
        """Made from the classifier of this moment."""

    assert dg.materialize([classifiers, predictions], instance=case.instance, partition_key=OLD).success
    assert case.run().success == is_taken
    assert case.store.holds("champion_decisions") == is_taken
