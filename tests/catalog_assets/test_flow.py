"""The flow over a real, small catalog: from partners' feeds to evaluated classifiers."""

import json

import dagster as dg
import polars as pl
import pytest

from catalog.storage.warehouse import query
from catalog_assets.definitions import definitions
from catalog_assets.flow import bring_up_to_date
from ml.recipes import CLASSIFIER_RECIPES
from resources.settings import Settings
from resources.store import Store
from tests.conftest import CLASSIFIERS, ENCODERS, NUM_PRODUCTS, SHARES, TinyCatalog, tiny_plan

NUM_FEEDS = 10


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog) -> Store:
    return Store(root=str(tiny_catalog.root))


def test_every_stage_runs_once(tiny_catalog: TinyCatalog) -> None:
    per_recipe = 2 * len(ENCODERS) + 2 * len(CLASSIFIERS) + len(SHARES)
    assert tiny_catalog.num_runs == 3 * NUM_FEEDS + per_recipe + len(
        ("prepare", "assemble", "compare", "deploy", "refresh")
    )


def test_a_second_call_runs_nothing(tiny_catalog: TinyCatalog) -> None:
    defs = definitions(Settings.read(store=str(tiny_catalog.root)))
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        assert bring_up_to_date(defs, instance, tiny_plan()).num_runs == 0


def test_every_product_has_one_outcome(store: Store) -> None:
    products, outcomes = store.scan("products").collect(), store.scan("outcomes").collect()
    assert len(products) == NUM_PRODUCTS
    assert sorted(products["product_id"]) == sorted(outcomes["product_id"])


def test_the_shop_s_faults_come_out_at_the_published_rates(store: Store) -> None:
    status = store.scan("outcomes").select("status").collect()["status"]
    assert (status == "invalid_url").mean() == pytest.approx(0.01, abs=0.01)
    assert (status == "ok").mean() == pytest.approx(0.87, abs=0.03)
    assert status.n_unique() >= 6


def test_nothing_golden_is_trained_on(store: Store) -> None:
    dataset = store.scan("dataset").collect()
    golden = dataset.filter(pl.col("partner_id") == "golden")
    assert len(golden) > 100
    assert set(golden["split"]) == {"golden"}
    assert golden["label_rank"].null_count() == len(golden)


def test_an_encoder_is_trained_on_training_images_only(store: Store) -> None:
    record = json.loads((store.local / "encoders" / "simclr-mnv3" / "encoder.json").read_text())
    assert record["num_images"] == len(store.scan("dataset").filter(pl.col("split") == "train").collect())


def test_the_five_percent_recipes_train_on_a_share_of_the_labels(store: Store) -> None:
    ranked = store.scan("dataset").select("label_rank").collect()["label_rank"].drop_nulls()
    for name in CLASSIFIERS:
        record = json.loads((store.local / "classifiers" / name / "classifier.json").read_text())
        assert record["num_labels"] == (ranked < CLASSIFIER_RECIPES[name].label_fraction).sum()


def test_the_grid_compares_every_classifier_on_golden(store: Store) -> None:
    grid = store.scan("comparison").collect()
    assert set(grid["classifier"]) == set(CLASSIFIERS)
    assert set(grid["split"]) == {"golden"}
    probe = grid.row(by_predicate=pl.col("classifier") == "imagenet-lite0-probe", named=True)
    assert probe["top1"] > 0.5  # ten classes: chance is 0.1
    assert probe["top1_low"] < probe["top1"] < probe["top1_high"]


def test_every_figure_can_be_recomputed_from_the_predictions(store: Store) -> None:
    for name in CLASSIFIERS:
        predictions = store.predictions(name).filter(pl.col("split") == "golden")
        hits = (predictions["true_4"] == predictions["top_4"].list.first()).mean()
        metric = store.scan("metrics", [name]).filter(split="golden", level=4, metric="top1").collect()
        assert metric["value"].item() == pytest.approx(hits)
        assert metric["num_samples"].item() == len(predictions)


def test_each_trained_thing_has_a_finished_mlflow_run_tagged_with_its_dagster_run(
    tiny_catalog: TinyCatalog,
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tiny_catalog.root / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("shelfsight")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {
        *(f"encoders[{name}]" for name in ENCODERS),
        *(f"classifiers[{name}]" for name in CLASSIFIERS),
        *(f"share_outcomes[{key}]" for key in SHARES),
        "deployment",
    }
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        for run in runs.values():
            assert run.info.status == "FINISHED"
            assert instance.get_run_by_id(run.data.tags["dagster/run_id"]) is not None
    figures = runs["classifiers[simclr-mnv3-finetune-5pct]"].data.metrics
    assert {"loss", "accuracy", "top5", "validation_accuracy"} <= set(figures)


@pytest.mark.parametrize(
    "view",
    [
        "outcomes_by_partner",
        "current_products",
        "accuracy_by_classifier",
        "worst_confusions",
        "disagreements",
        "products",
        "champion",
        "champion_decisions",
        "accuracy_by_level",
        "most_valuable_confusions",
        "calibration",
    ],
)
def test_the_warehouse_can_be_queried(tiny_catalog: TinyCatalog, view: str) -> None:
    result = query(tiny_catalog.root / "catalog.duckdb", f"SELECT * FROM {view} LIMIT 10")  # noqa: S608
    assert len(result)


def test_near_duplicates_are_shown_in_the_dataset_s_metadata_and_their_largest_group_is_checked(
    tiny_catalog: TinyCatalog, store: Store
) -> None:
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("dataset"))
        checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [dg.AssetCheckKey(dg.AssetKey("dataset"), "largest_group")]
        )
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert "data:image/png;base64,iVBOR" in str(shown["largest near-duplicate groups"].value)
    rows = store.scan("dataset").collect()
    assert rows.filter(pl.col("image_group_id") != pl.col("product_id"))["sha256"].n_unique() > 1
    assert rows.group_by("image_group_id").agg(pl.col("group_id").n_unique())["group_id"].max() == 1
    assert [record.status.value for record in checks.values()] == ["SUCCEEDED"]


def test_the_confusion_image_is_in_the_asset_s_metadata(tiny_catalog: TinyCatalog) -> None:
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("confusion"))
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata["golden: confusion of the most valuable leaves"].value
    assert "data:image/png;base64,iVBOR" in str(shown)


def test_the_calibration_plot_and_the_table_of_leaves_are_in_their_assets_metadata(
    tiny_catalog: TinyCatalog,
) -> None:
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        events = [instance.get_latest_materialization_event(dg.AssetKey(name)) for name in ("calibration", "confusion")]
    calibration, confusion = (event.asset_materialization.metadata for event in events)
    assert "data:image/png;base64,iVBOR" in str(calibration["calibration"].value)
    leaves = confusion["golden: the most valuable leaves"]
    assert isinstance(leaves, dg.TableMetadataValue)
    assert {"category", "value", "recall", "most_confused_with"} <= set(leaves.records[0].data)


def test_the_first_champion_is_the_classifier_that_validation_prefers(store: Store) -> None:
    (decision,) = store.scan("champion_decisions").collect().rows(named=True)
    scores = store.scan("metrics", CLASSIFIERS).filter(split="val", level=4, metric="value_weighted_accuracy").collect()
    assert decision["candidate"] == scores.sort("value", descending=True)["classifier"][0]
    assert decision["promoted"]
    record = store.read_json("champion", "champion.json")
    assert record is not None
    assert record["reason"] == decision["reason"]
