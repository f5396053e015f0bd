"""Confidence and suspect labels, made of the tiny catalogue's classifiers and embeddings."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from catalog.proportions import wilson_interval
from catalog.splits import are_choosing
from catalog.warehouse import query, write_warehouse
from catalog_assets.confidence import COVERAGES
from catalog_assets.definitions import ASSET_MODULES, resources
from catalog_assets.label_noise import MIN_PICTURES
from demo.flow import QUIET
from resources.store import Store
from tests.conftest import CLASSIFIERS, ENCODERS, TinyCatalogue

CLASSIFIER, ENCODER = CLASSIFIERS[0], ENCODERS[0]
SHARE_PLANTED = 0.15


def made(store: Store, instance: dg.DagsterInstance, asset: str, partition: str) -> dg.AssetMaterialization:
    """The materialisation of one asset's partition from what the store holds."""
    result = dg.materialize(
        dg.load_assets_from_modules(ASSET_MODULES),
        selection=dg.AssetSelection.assets(asset),
        partition_key=partition,
        resources=resources(store.root),
        instance=instance,
        run_config=QUIET,
    )
    [event] = result.asset_materializations_for_node(asset)
    return event


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("confidence") / "store"
    shutil.copytree(tiny_catalogue.root, root)
    return Store(root=str(root))


@pytest.fixture(scope="module")
def instance(store: Store) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(Path(store.root) / "dagster")) as instance:
        yield instance


@pytest.fixture(scope="module")
def confident(store: Store, instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    return made(store, instance, "confidence", CLASSIFIER)


@pytest.fixture(scope="module")
def planted(store: Store, instance: dg.DagsterInstance) -> tuple[set[str], dg.AssetMaterialization]:
    """Products whose leaf was exchanged for another one in the dataset, and what was then made of it."""
    rows = store.scan("dataset").collect()
    learned = np.flatnonzero(rows["label_rank"].is_not_null().to_numpy())
    chosen = np.random.default_rng(0).choice(learned, int(SHARE_PLANTED * len(learned)), replace=False)
    leaves = rows["level_4"].fill_null(0).to_numpy(writable=True)
    known = np.unique(leaves[learned])
    for position in chosen.tolist():
        others = known[known != leaves[position]]
        leaves[position] = others[position % len(others)]
    exchanged = pl.Series("level_4", leaves, dtype=rows["level_4"].dtype)
    store.write(rows.with_columns(pl.when(pl.col("level_4").is_not_null()).then(exchanged).alias("level_4")), "dataset")
    event = made(store, instance, "suspect_labels", ENCODER)
    store.write(rows, "dataset")
    return set(rows["product_id"][chosen]), event


@pytest.mark.usefixtures("confident")
def test_a_row_for_every_coverage_says_what_golden_pictures_make_of_it(store: Store) -> None:
    lines = store.scan("confidence").collect()
    golden = store.scan("dataset").filter(pl.col("level_4").is_not_null(), split="golden").collect()
    assert lines["requested_coverage"].to_list() == list(COVERAGES)
    assert set(lines["classifier"]) == {CLASSIFIER}
    assert set(lines["split"]) == {"golden"}
    assert set(lines["num_samples"]) == {len(golden)}
    for line in lines.iter_rows(named=True):
        num_covered = round(line["coverage"] * len(golden))
        assert (line["coverage_low"], line["coverage_high"]) == wilson_interval(num_covered, len(golden))
        assert 0 <= line["mean_depth"] <= 4
        assert 0 <= line["share_without_answer"] <= 1


@pytest.mark.usefixtures("confident")
def test_the_more_coverage_is_asked_for_the_shallower_the_answers(store: Store) -> None:
    lines = store.scan("confidence").collect()
    assert lines["threshold"].is_sorted()
    assert lines["coverage"].is_sorted()
    assert lines["mean_depth"].is_sorted(descending=True)
    assert lines["share_without_answer"].is_sorted()


@pytest.mark.usefixtures("confident")
def test_thresholds_are_chosen_on_the_half_of_the_validation_groups_that_fits_no_temperature(store: Store) -> None:
    validation = store.scan("dataset").filter(pl.col("level_4").is_not_null(), split="val").collect()
    num_others = int((~are_choosing(validation["group_id"])).sum())
    assert 0 < num_others < len(validation)
    assert set(store.scan("confidence").collect()["num_calibration"]) == {num_others}


def test_what_answers_are_made_with_is_recorded_with_the_classifier_s_fingerprint(
    store: Store, confident: dg.AssetMaterialization
) -> None:
    record = store.read_json("confidence", f"classifier={CLASSIFIER}", "confidence.json")
    assert record is not None
    assert record["made_from"] == {CLASSIFIER: store.fingerprint("classifiers", CLASSIFIER)}
    assert len(record["temperatures"]) == 4
    assert set(record["thresholds"]) == {"0.8", "0.9", "0.95"}
    assert "requested_coverage" in str(confident.metadata["answers"].value)


def test_without_validation_labels_nothing_is_promised(store: Store, instance: dg.DagsterInstance) -> None:
    rows = store.scan("dataset").collect()
    is_val = pl.col("split") == "val"
    store.write(rows.with_columns(level_4=pl.when(~is_val).then("level_4")), "dataset")
    with pytest.raises(dg.Failure) as raised:
        made(store, instance, "confidence", CLASSIFIER)
    store.write(rows, "dataset")
    assert "0 labelled validation pictures to fit temperatures" in str(raised.value.description)


def test_most_planted_wrong_labels_are_suspect_and_many_suspects_are_planted(
    store: Store, planted: tuple[set[str], dg.AssetMaterialization]
) -> None:
    wrong, _ = planted
    suspects = store.scan("suspect_labels").collect()
    found = set(suspects["product_id"])
    assert len(wrong & found) / len(wrong) > 0.7  # recall
    assert len(wrong & found) / len(found) > 2 * SHARE_PLANTED  # precision; a draw by lot would have the share
    worst = suspects.head(len(wrong) // 2)["product_id"]
    assert worst.is_in(list(wrong)).mean() > 0.6


@pytest.mark.usefixtures("planted")
def test_a_suspect_has_its_label_another_suggested_one_and_the_probability_of_its_own(store: Store) -> None:
    suspects = store.scan("suspect_labels").collect()
    names = store.category_names()
    assert (suspects["given_id"] != suspects["suggested_id"]).all()
    assert suspects["score"].is_sorted()
    assert (suspects["score"] < suspects["suggested_probability"]).all()
    assert set(suspects["encoder"]) == {ENCODER}
    for row in suspects.head(5).iter_rows(named=True):
        assert (row["given_name"], row["suggested_name"]) == (names[row["given_id"]], names[row["suggested_id"]])
    database = Path(store.root) / "suspects.duckdb"
    assert "suspect_labels" in write_warehouse(database, store.root)
    assert query(database, "SELECT count(*) AS num FROM suspect_labels").item() == len(suspects)


def test_the_pictures_of_the_most_suspect_are_shown(planted: tuple[set[str], dg.AssetMaterialization]) -> None:
    _, event = planted
    assert "data:image/png;base64,iVBOR" in str(event.metadata["pictures"].value)
    assert event.metadata["labels judged"].value > 0


def test_leaves_with_too_few_pictures_are_left_out_and_without_any_other_the_step_says_so(
    store: Store, instance: dg.DagsterInstance
) -> None:
    rows = store.scan("dataset").collect()
    rare = rows.filter(pl.col("label_rank").is_not_null()).group_by("level_4").head(MIN_PICTURES - 1)
    store.write(rare.select(rows.columns), "dataset")
    with pytest.raises(dg.Failure) as raised:
        made(store, instance, "suspect_labels", ENCODER)
    store.write(rows, "dataset")
    assert f"no leaf has {MIN_PICTURES} of the {len(rare)} labelled training pictures" in str(raised.value.description)
