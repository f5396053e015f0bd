"""Data efficiency: encoders fine-tuned alike on shares of the labels; for two epochs each."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.dataset.splits import label_ranks
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.classifiers.data_efficiency import data_efficiency
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from ml.recipes import ENCODER_RECIPES, LABEL_SHARES, SEEDS, share_recipe
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog

RUNS = (("random-mnv3", "0.05"), ("simclr-mnv3", "0.05"), ("simclr-mnv3", "1.0"))


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    """A copy of the tiny catalog in which two encoders were fine-tuned on shares of the labels."""
    root = tiny_catalog.copy(module_folder).root
    defs = definitions(Settings.read(store=str(root)))
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        runs = [("encode", "random-mnv3"), ("efficiency", "random-mnv3|0.05"), ("efficiency", "simclr-mnv3|1.0")]
        for job, partition in runs:
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=True
            )
        record = instance.get_latest_materialization_event(dg.AssetKey("data_efficiency"))
        assert record is not None
        assert record.asset_materialization is not None
        plot = record.asset_materialization.metadata["plot"].value
        assert str(plot).startswith("![accuracy by the number of labels](data:image/png;base64,")
    write_warehouse(root / "catalog.duckdb", str(root))
    return Store(root=str(root))


def test_encoders_are_evaluated_on_the_same_images_after_the_same_labels(store: Store) -> None:
    outcomes = store.scan("share_outcomes").collect()
    golden = set(store.scan("dataset").filter(split="golden").collect()["product_id"])
    for (encoder, share, seed), part in outcomes.group_by("encoder", "share", "seed"):
        assert (encoder, share) in RUNS
        assert seed in SEEDS
        assert set(part["product_id"]) == golden
        assert len(part) == len(golden)
        assert part["split"].unique().to_list() == ["golden"]
    dataset = store.scan("dataset").collect()
    for seed in SEEDS:
        num_labels = int((label_ranks(dataset, seed) < 0.05).sum())
        used = outcomes.filter(share="0.05", seed=seed)["num_labels"].unique().to_list()
        assert used == [num_labels]
    whole = outcomes.filter(share="1.0")["num_labels"].unique().to_list()
    assert whole == [dataset["label_rank"].count()]


def test_a_prediction_is_right_if_it_is_the_label(store: Store) -> None:
    outcomes = store.scan("share_outcomes").collect()
    labeled = outcomes.join(store.scan("dataset").select("product_id", "level_4").collect(), on="product_id")
    assert labeled.select((pl.col("top1") == (pl.col("predicted_id") == pl.col("level_4"))).all()).item()
    assert labeled.select((pl.col("top5") | ~pl.col("top1")).all()).item()


def test_the_table_has_a_row_for_every_run_with_its_gain_over_random_weights(store: Store) -> None:
    lines = store.scan("data_efficiency").collect()
    assert set(lines.select("encoder", "share").iter_rows()) == set(RUNS)
    outcomes = store.scan("share_outcomes").collect()
    for line in lines.iter_rows(named=True):
        own = outcomes.filter(encoder=line["encoder"], share=line["share"])
        assert line["top1"] == pytest.approx(own["top1"].mean())
        assert line["top1_low"] <= line["top1"] <= line["top1_high"]
        assert line["num_seeds"] == len(SEEDS)
    gain = {(line["encoder"], line["share"]): line["gain_over_random"] for line in lines.iter_rows(named=True)}
    means = {key: outcomes.filter(encoder=key[0], share=key[1])["top1"].mean() for key in RUNS}
    assert gain["simclr-mnv3", "0.05"] == pytest.approx(means["simclr-mnv3", "0.05"] - means["random-mnv3", "0.05"])
    assert gain["simclr-mnv3", "1.0"] is None  # random weights were not fine-tuned on all labels
    assert gain["random-mnv3", "0.05"] is None


def test_sql_reports_accuracy_by_the_number_of_labels(store: Store) -> None:
    sql = "SELECT encoder, num_labels, top1 FROM data_efficiency ORDER BY encoder, num_labels"
    rows = query(Path(store.root) / "catalog.duckdb", sql)
    assert rows["encoder"].to_list() == ["random-mnv3", "simclr-mnv3", "simclr-mnv3"]


def test_nothing_in_the_fine_tuning_depends_on_the_encoder() -> None:
    for share in LABEL_SHARES:
        recipes = [share_recipe(name, float(share), 1, 600) for name in ENCODER_RECIPES]
        assert len({replace(recipe, name="", encoder="") for recipe in recipes}) == 1


def test_without_a_run_the_failure_names_the_job_to_launch(tmp_path: Path) -> None:
    with pytest.raises(dg.Failure) as raised:
        data_efficiency(Store(root=str(tmp_path)))
    assert "launch the job efficiency" in str(raised.value.description)
