"""Confidence of the tiny catalog's classifiers, and suspect labels by its embeddings."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from catalog.dataset.splits import in_selection_half
from catalog.evaluation.proportions import wilson_interval
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.definitions import defs
from catalog_assets.evaluation.confidence import COVERAGES
from catalog_assets.evaluation.suspect_labels import MIN_IMAGES
from catalog_assets.flow import QUIET
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store
from tests.conftest import CLASSIFIERS, ENCODERS, TinyCatalog
from tests.described import assert_described

CLASSIFIER, ENCODER = CLASSIFIERS[0], ENCODERS[0]
SHARE_PLANTED = 0.15


def materialize(store: Store, instance: dg.DagsterInstance, asset: str, partition: str) -> dg.AssetMaterialization:
    """Materialize one partition of an asset from the store; returns the event."""
    result = dg.materialize(
        list(defs.assets or []),
        selection=dg.AssetSelection.assets(asset),
        partition_key=partition,
        resources=configured(Settings.read(store=store.root)),
        instance=instance,
        run_config=QUIET,
    )
    [event] = result.asset_materializations_for_node(asset)
    return event


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    root = tiny_catalog.copy(module_folder).root
    return Store(root=str(root))


@pytest.fixture(scope="module")
def instance(store: Store) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(Path(store.root) / "dagster")) as instance:
        yield instance


@pytest.fixture(scope="module")
def confident(store: Store, instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    return materialize(store, instance, "confidence", CLASSIFIER)


@pytest.fixture(scope="module")
def planted(store: Store, instance: dg.DagsterInstance) -> tuple[set[str], dg.AssetMaterialization]:
    """Products whose leaf was exchanged for another in the dataset, and the materialization of suspect labels."""
    rows = store.scan("dataset").collect()
    labeled = np.flatnonzero(rows["label_rank"].is_not_null().to_numpy())
    chosen = np.random.default_rng(0).choice(labeled, int(SHARE_PLANTED * len(labeled)), replace=False)
    leaves = rows["level_4"].fill_null(0).to_numpy(writable=True)
    known = np.unique(leaves[labeled])
    for position in chosen.tolist():
        others = known[known != leaves[position]]
        leaves[position] = others[position % len(others)]
    exchanged = pl.Series("level_4", leaves, dtype=rows["level_4"].dtype)
    store.write(rows.with_columns(pl.when(pl.col("level_4").is_not_null()).then(exchanged).alias("level_4")), "dataset")
    event = materialize(store, instance, "suspect_labels", ENCODER)
    store.write(rows, "dataset")
    return set(rows["product_id"][chosen]), event


@pytest.mark.usefixtures("confident")
def test_a_row_for_every_coverage_is_measured_on_golden_images(store: Store) -> None:
    assert_described(store.root, "confidence")
    rows = store.scan("confidence").collect()
    golden = store.scan("dataset").filter(pl.col("level_4").is_not_null(), split="golden").collect()
    assert rows["requested_coverage"].to_list() == list(COVERAGES)
    assert set(rows["classifier"]) == {CLASSIFIER}
    assert set(rows["split"]) == {"golden"}
    assert set(rows["num_samples"]) == {len(golden)}
    for row in rows.iter_rows(named=True):
        num_covered = round(row["coverage"] * len(golden))
        assert (row["coverage_low"], row["coverage_high"]) == wilson_interval(num_covered, len(golden))
        assert 0 <= row["mean_depth"] <= 4
        assert 0 <= row["share_abstained"] <= 1


@pytest.mark.usefixtures("confident")
def test_the_higher_the_requested_coverage_the_shallower_the_predictions(store: Store) -> None:
    rows = store.scan("confidence").collect()
    assert rows["threshold"].is_sorted()
    assert rows["coverage"].is_sorted()
    assert rows["mean_depth"].is_sorted(descending=True)
    assert rows["share_abstained"].is_sorted()


@pytest.mark.usefixtures("confident")
def test_thresholds_are_chosen_on_the_half_that_fits_no_temperature(store: Store) -> None:
    validation = store.scan("dataset").filter(pl.col("level_4").is_not_null(), split="val").collect()
    num_others = int((~in_selection_half(validation["group_id"])).sum())
    assert 0 < num_others < len(validation)
    assert set(store.scan("confidence").collect()["num_calibration"]) == {num_others}


def test_thresholds_are_recorded_with_the_classifier_s_fingerprint(
    store: Store, confident: dg.AssetMaterialization
) -> None:
    record = store.read_json("confidence", f"classifier={CLASSIFIER}", "confidence.json")
    assert record is not None
    assert record["inputs"] == {CLASSIFIER: store.fingerprint("classifiers", CLASSIFIER)}
    assert len(record["temperatures"]) == 4
    assert set(record["thresholds"]) == {"0.8", "0.9", "0.95"}
    assert "requested_coverage" in str(confident.metadata["coverage"].value)


def test_without_validation_labels_it_fails(store: Store, instance: dg.DagsterInstance) -> None:
    rows = store.scan("dataset").collect()
    is_val = pl.col("split") == "val"
    store.write(rows.with_columns(level_4=pl.when(~is_val).then("level_4")), "dataset")
    with pytest.raises(dg.Failure) as raised:
        materialize(store, instance, "confidence", CLASSIFIER)
    store.write(rows, "dataset")
    assert "0 labeled validation images to fit temperatures" in str(raised.value.description)


def test_most_planted_wrong_labels_are_suspect_and_many_suspects_are_planted(
    store: Store, planted: tuple[set[str], dg.AssetMaterialization]
) -> None:
    wrong, _ = planted
    suspects = store.scan("suspect_labels").collect()
    flagged = set(suspects["product_id"])
    assert len(wrong & flagged) / len(wrong) > 0.7  # recall
    assert (
        len(wrong & flagged) / len(flagged) > 2 * SHARE_PLANTED
    )  # precision; that of a random choice would be the share
    worst = suspects.head(len(wrong) // 2)["product_id"]
    assert worst.is_in(list(wrong)).mean() > 0.6


@pytest.mark.usefixtures("planted")
def test_a_suspect_has_its_label_a_suggestion_and_the_probability_of_its_label(store: Store) -> None:
    assert_described(store.root, "suspect_labels")
    suspects = store.scan("suspect_labels").collect()
    names = store.category_names()
    assert (suspects["label_id"] != suspects["suggested_id"]).all()
    assert suspects["score"].is_sorted()
    assert (suspects["score"] < suspects["suggested_probability"]).all()
    assert set(suspects["encoder"]) == {ENCODER}
    for row in suspects.head(5).iter_rows(named=True):
        assert (row["label_name"], row["suggested_name"]) == (names[row["label_id"]], names[row["suggested_id"]])
    database = Path(store.root) / "suspects.duckdb"
    assert "suspect_labels" in write_warehouse(database, store.root)
    assert query(database, "SELECT count(*) AS num FROM suspect_labels").item() == len(suspects)


def test_images_of_the_most_suspect_labels_are_in_the_metadata(
    planted: tuple[set[str], dg.AssetMaterialization],
) -> None:
    _, event = planted
    assert "data:image/png;base64,iVBOR" in str(event.metadata["images"].value)
    assert event.metadata["labels examined"].value > 0


def test_leaves_with_too_few_images_are_left_out_and_without_any_other_it_fails(
    store: Store, instance: dg.DagsterInstance
) -> None:
    rows = store.scan("dataset").collect()
    rare = rows.filter(pl.col("label_rank").is_not_null()).group_by("level_4").head(MIN_IMAGES - 1)
    store.write(rare.select(rows.columns), "dataset")
    with pytest.raises(dg.Failure) as raised:
        materialize(store, instance, "suspect_labels", ENCODER)
    store.write(rows, "dataset")
    assert f"no leaf has {MIN_IMAGES} of the {len(rare)} labeled training images" in str(raised.value.description)
