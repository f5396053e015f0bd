"""The champion: a candidate that leads on validation is promoted where golden images confirm it, or is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray

from catalog_assets.definitions import defs
from catalog_assets.evaluation.champion import champion
from catalog_assets.evaluation.champion_decisions import champion_decisions
from catalog_assets.evaluation.promoted import current_champion, promoted_folder
from resources.mlflow.registry import MODEL
from resources.mlflow.tracking import Tracking
from resources.store import Store
from resources.tables import TableIO

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Scarves\n"
WEIGHTS = {
    hashlib.sha256(text.encode()).hexdigest(): text for text in ("weights a", "weights b", "weights c", "weights d")
}
A, B, C, D = WEIGHTS  # the fingerprints of classifiers
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
    """Predictions of which a share is right: a superset of those of a smaller share; rolled, as many are right."""
    return np.where(np.random.default_rng(0).random(NUM_GOLDEN) < share, TRUE, 5 - TRUE)


class Case:
    """A store of evaluated classifiers, and runs of the two assets over it."""

    def __init__(self, store: Store, tracking: Tracking, instance: dg.DagsterInstance) -> None:
        self.store, self.tracking, self.instance = store, tracking, instance

    def write_classifier(
        self, name: str, sha256: str, value: float, best: NDArray[np.int64], ms: float = 1.0, num: int = NUM_GOLDEN
    ) -> None:
        """Write one classifier, its predictions and its metrics, as its assets would."""
        folder = self.store.local / "classifiers" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.safetensors").write_text(WEIGHTS[sha256])
        client = self.tracking.client()
        experiment = client.get_experiment_by_name("shelfsight")
        experiment_id = (
            experiment.experiment_id if experiment else client.create_experiment("shelfsight", self.tracking.artifacts)
        )
        record = {
            "sha256": sha256,
            "trainable_labels": 600,
            "ms_per_image": ms,
            "mlflow_run_id": client.create_run(experiment_id).info.run_id,
        }
        self.store.write_json(record, "classifiers", name, "classifier.json")
        golden = pl.DataFrame(
            {
                "product_id": [f"golden:{n}" for n in range(num)],
                "split": ["golden"] * num,
                "true_4": TRUE[:num],
                "top_4": best[:num, None].tolist(),
                "probability_4": [[0.9]] * num,
            }
        )
        self.store.write(golden, "predictions", name, "golden")
        scored = {"classifier": name, "split": "val", "level": 4, "metric": "value_weighted_accuracy", "value": value}
        self.store.write(pl.DataFrame([scored]), "metrics", name)
        names = self.store.partitions("metrics")
        self.store.write(pl.DataFrame({"classifier": names, "kind": "classifier"}), "comparison")

    def run(self, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
        """Materialize both assets, or these."""
        comparison = dg.AssetSpec("comparison", metadata={"dagster/io_manager_key": "tables"})
        return dg.materialize(
            [comparison, dg.AssetSpec("metrics"), *(assets or (champion_decisions, champion))],
            instance=self.instance,
            resources={"store": self.store, "tables": TableIO(store=self.store), "tracking": self.tracking},
            raise_on_error=False,
        )

    @property
    def record(self) -> dict[str, object]:
        record = self.store.read_json("champion", "champion.json")
        assert record is not None
        assert record == current_champion(self.store)
        return record

    @property
    def decisions(self) -> pl.DataFrame:
        return self.store.scan("champion_decisions").collect()

    @property
    def aliases(self) -> dict[str, str]:
        """The fingerprint of the classifier to which each alias points."""
        client: MlflowClient = self.tracking.client()
        named = {alias: str(version) for alias, version in client.get_registered_model(MODEL).aliases.items()}
        return {
            alias: client.get_model_version(MODEL, version).tags["sha256"]
            for alias, version in named.items()
            if alias in ("champion", "candidate", "former")
        }


def reason(result: dg.ExecuteInProcessResult) -> str:
    """The reason in the metadata of the decisions."""
    [event] = result.asset_materializations_for_node("champion_decisions")
    return str(event.metadata["reason"].value)


@pytest.fixture
def case(store: Store, tracking: Tracking, instance: dg.DagsterInstance) -> Case:
    case = Case(store, tracking, instance)
    case.write_classifier(OLD, A, 0.7, right_on(0.7))
    return case


def test_the_first_champion_needs_no_opponent(case: Case) -> None:
    assert case.run().success
    assert case.record["classifier"] == OLD
    assert "first champion" in str(case.record["reason"])
    assert case.decisions.select("candidate", "champion", "promoted", "num_samples").rows() == [
        (OLD, None, True, NUM_GOLDEN)
    ]
    assert case.aliases == {"champion": A}


def test_a_better_candidate_takes_over_and_both_are_kept(case: Case) -> None:
    case.run()
    case.write_classifier(NEW, B, 0.8, right_on(0.85))
    assert case.run().success
    assert case.record["classifier"] == NEW
    assert "is better" in str(case.record["reason"])
    assert case.decisions["promoted"].to_list() == [True, True]
    assert case.aliases == {"champion": B, "former": A}
    for sha256 in (A, B):
        kept = promoted_folder(case.store, sha256)
        assert (kept / "weights.safetensors").read_text() == WEIGHTS[sha256]
        assert json.loads((kept / "classifier.json").read_text())["sha256"] == sha256


def test_a_candidate_that_golden_images_do_not_confirm_is_a_row_with_its_reason(case: Case) -> None:
    case.run()
    case.write_classifier(NEW, B, 0.8, np.roll(right_on(0.7), 2))  # validation prefers it
    result = case.run()
    assert result.success
    assert result.get_asset_check_evaluations() == []
    refused = case.decisions.row(-1, named=True)
    assert (refused["candidate"], refused["champion"], refused["promoted"]) == (NEW, OLD, False)
    assert f"{OLD} stays: {NEW} is not shown to be better" in refused["reason"]
    assert reason(result) == refused["reason"]
    assert case.record["classifier"] == OLD
    assert case.aliases == {"champion": A, "candidate": B}


def test_a_refused_candidate_is_not_decided_twice_by_the_same_images(case: Case) -> None:
    case.run()
    case.write_classifier(NEW, B, 0.8, np.roll(right_on(0.7), 2))
    case.run()
    again = case.run()
    assert again.success
    assert "by the same images: imagenet-lite0-probe stays" in reason(again)
    assert len(case.decisions) == 2
    assert case.record["classifier"] == OLD
    assert case.aliases == {"champion": A, "candidate": B}


def test_a_refused_candidate_triggers_no_deployment_and_a_promoted_one_does(case: Case) -> None:
    def evaluate(cursor: Any) -> dg.EvaluateAutomationConditionsResult:
        selection = dg.AssetSelection.assets("deployment")
        return dg.evaluate_automation_conditions(defs, case.instance, asset_selection=selection, cursor=cursor)

    case.run()
    before = evaluate(None)
    case.write_classifier(NEW, B, 0.8, np.roll(right_on(0.7), 2))
    case.run()
    refused = evaluate(before.cursor)
    assert refused.total_requested == 0
    case.write_classifier(NEW, C, 0.9, right_on(0.9))
    case.run()
    assert evaluate(refused.cursor).total_requested == 1


def test_the_former_is_the_champion_before_though_its_own_run_was_killed(case: Case) -> None:
    case.run()
    case.write_classifier(NEW, B, 0.8, right_on(0.85))
    assert case.run(champion_decisions).success  # and the process dies before the asset champion
    case.write_classifier(OLD, C, 0.9, right_on(0.98))
    assert case.run().success
    assert case.record["sha256"] == C
    assert case.aliases == {"champion": C, "former": B}


def test_an_equal_candidate_takes_over_at_half_the_time_an_image(case: Case) -> None:
    case.run()
    case.write_classifier(NEW, B, 0.71, right_on(0.7), ms=0.5)
    assert case.run().success
    assert "as good, within 1 points, and cheaper" in str(case.record["reason"])


def test_a_recipe_trained_again_is_compared_with_its_former_self(case: Case) -> None:
    case.run()
    case.write_classifier(OLD, C, 0.9, right_on(0.9))
    assert case.run().success
    assert f"{OLD} is better" in str(case.record["reason"])
    assert f"the former {OLD} alone" in str(case.record["reason"])
    assert case.aliases == {"champion": C, "former": A}


def test_the_champion_itself_is_not_decided_again(case: Case) -> None:
    case.run()
    assert case.run().success
    assert len(case.decisions) == 1


def test_a_champion_evaluated_on_other_images_fails_the_run_and_the_error_counts_them(case: Case) -> None:
    case.run()
    case.write_classifier(OLD, C, 0.9, right_on(0.9), num=NUM_GOLDEN - 3)
    result = case.run()
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert "397 and 400 products, of which 0 and 3 are missing from the other" in str(failure.event_specific_data)
    assert case.record["sha256"] == A


@pytest.mark.parametrize(("version", "is_taken"), [(A, True), (D, False)])
def test_predictions_of_another_version_of_the_candidate_are_refused(case: Case, version: str, is_taken: bool) -> None:
    @dg.asset(name="classifiers", partitions_def=dg.StaticPartitionsDefinition([OLD]))
    def classifiers() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    @dg.asset(name="predictions", deps=[classifiers], partitions_def=dg.StaticPartitionsDefinition([OLD]))
    def predictions() -> None:
        """Computed by the classifier as it is."""

    assert dg.materialize([classifiers, predictions], instance=case.instance, partition_key=OLD).success
    assert case.run().success == is_taken
    assert case.store.holds("champion_decisions") == is_taken
