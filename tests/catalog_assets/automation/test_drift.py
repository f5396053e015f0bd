"""Drift of deliveries' categories and downloads, on the tiny catalog's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.automation.drift import CONFIDENCE_CHECK, IMAGES_CHECK, MIN_PRODUCTS, SHIFT_CHECK
from catalog_assets.partitions import deliveries
from resources.store import Store
from tests.catalog_assets.making import made
from tests.conftest import TinyCatalog


@pytest.fixture
def store(tiny_catalog: TinyCatalog, tmp_path: Path) -> Store:
    shutil.copytree(tiny_catalog.root, tmp_path / "store")
    return Store(root=str(tmp_path / "store"))


@pytest.fixture
def instance(store: Store) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(Path(store.root) / "dagster")) as instance:
        yield instance


def test_drift_sets_a_delivery_beside_the_training_products(store: Store, instance: dg.DagsterInstance) -> None:
    counted = store.scan("universal_catalog").group_by("delivery").len().sort("len").collect()
    delivery = counted["delivery"][-1]  # the largest one
    before = store.scan("universal_catalog", [delivery]).collect()
    calm = made(store, instance, "drift", delivery)
    [row] = store.scan("drift", [delivery]).collect().to_dicts()
    assert row["num_products"] == len(before)
    lost = {
        is_own: (outcomes["status"] != "ok").mean()
        for (is_own,), outcomes in store.scan("outcomes").collect().group_by(pl.col("delivery") == delivery)
    }
    assert (row["share_without_image"], row["share_without_image_elsewhere"]) == pytest.approx(
        (lost[True], lost[False])
    )
    assert row["beyond_chance"] == pytest.approx(max(0.0, row["stability_index"] - row["by_chance"]))
    assert {check.check_name: check.passed for check in calm.get_asset_check_evaluations()}[SHIFT_CHECK]
    assert (row["has_shifted"], row["is_uncertain"]) == (False, False)
    leaf = before["leaf_id"].mode()[0]
    moved = before.drop("delivery").with_columns(leaf_id=pl.lit(leaf, pl.Int64), category_id=pl.lit(None, pl.Int64))
    store.write(moved, "universal_catalog", delivery)
    checks = made(store, instance, "drift", delivery).get_asset_check_evaluations()
    assert {check.check_name: check.passed for check in checks} == {
        SHIFT_CHECK: False,
        CONFIDENCE_CHECK: False,
        IMAGES_CHECK: True,
    }
    [row] = store.scan("drift", [delivery]).collect().to_dicts()
    assert (row["has_shifted"], row["is_uncertain"]) == (True, True)
    few = moved.head(MIN_PRODUCTS - 1)
    store.write(few, "universal_catalog", delivery)
    made(store, instance, "drift", delivery)
    [row] = store.scan("drift", [delivery]).collect().to_dicts()
    assert (row["has_shifted"], row["is_uncertain"]) == (False, False)  # too few for a comparison


def test_a_delivery_without_images_fails_the_check_of_downloads(store: Store, instance: dg.DagsterInstance) -> None:
    lost = "hansen.lost"
    instance.add_dynamic_partitions(str(deliveries.name), [lost])
    for num_links, is_seen in ((MIN_PRODUCTS - 1, False), (MIN_PRODUCTS, True)):
        links = pl.DataFrame({"product_id": [f"hansen:{n}" for n in range(num_links)], "status": "gone"})
        like = store.scan("outcomes", [store.partitions("outcomes")[0]]).collect().drop("delivery")
        store.write(pl.concat([like.clear(), links], how="diagonal"), "outcomes", lost)
        store.write(store.scan("universal_catalog").head(0).collect().drop("delivery"), "universal_catalog", lost)
        checks = made(store, instance, "drift", lost).get_asset_check_evaluations()
        assert {check.check_name: check.passed for check in checks} == {
            SHIFT_CHECK: True,
            CONFIDENCE_CHECK: True,
            IMAGES_CHECK: not is_seen,
        }
    [row] = store.scan("drift", [lost]).collect().to_dicts()
    assert (row["num_products"], row["beyond_chance"], row["share_without_image"]) == (0, None, 1.0)
