"""An attribute besides the categories: color, which two of the demo's four partners deliver and the images show."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from ml.recipe_types import AttributeRecipe
from ml.recipes import ATTRIBUTE_RECIPES
from resources.recipes import PRESETS
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.described import assert_described

ATTRIBUTE = "color"


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    root = tiny_catalog.copy(module_folder).root
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        definitions(Settings.read(store=str(root))).resolve_job_def("attributes").execute_in_process(
            instance=instance, partition_key=ATTRIBUTE, run_config=QUIET, raise_on_error=True
        )
    write_warehouse(root / "catalog.duckdb", str(root))
    return Store(root=str(root))


def test_every_product_has_a_color_also_where_its_partner_delivers_none(store: Store) -> None:
    rows = query(store.local / "catalog.duckdb", "SELECT * FROM attribute_predictions")
    assert set(rows["product_id"]) == set(store.scan("dataset").collect()["product_id"])
    assert rows["predicted"].null_count() == 0
    assert set(rows["predicted"]) <= {"white", "gray", "black"}
    unlabeled = rows.filter(pl.col("product_id").str.starts_with("zwirnwald:"))
    assert len(unlabeled) > 0
    assert unlabeled["label"].null_count() == len(unlabeled)


def test_colors_are_predicted_far_better_than_by_the_commonest(store: Store) -> None:
    for name in ("attribute_predictions", "attribute_metrics"):
        assert_described(store.root, name)
    top1 = store.scan("attribute_metrics").filter(split="golden", metric="top1").collect().row(0, named=True)
    golden = store.scan("attribute_predictions").filter(split="golden").collect()
    commonest = golden["label"].value_counts(sort=True)["count"][0] / len(golden)
    assert top1["num_samples"] == len(golden)
    assert top1["value"] == pytest.approx((golden["label"] == golden["predicted"]).mean())
    assert top1["ci_low"] > commonest + 0.1


def test_an_attribute_that_no_partner_delivers_is_refused(store: Store) -> None:
    with dg.DagsterInstance.from_config(str(store.local / "dagster")) as instance:
        job = definitions(Settings.read(store=str(store.local))).resolve_job_def("attributes")
        with pytest.raises(ValueError, match="an attribute takes two labels with 20 training images each"):
            job.execute_in_process(instance=instance, partition_key="pattern", run_config=QUIET, raise_on_error=True)


def test_an_unknown_attribute_is_refused_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"unknown attribute recipe 'hue'; .*color"):
        PRESETS.attribute("hue")


@pytest.mark.parametrize("recipe", ATTRIBUTE_RECIPES.values(), ids=ATTRIBUTE_RECIPES)
def test_an_attribute_has_one_level(recipe: AttributeRecipe) -> None:
    assert len(recipe.classifier.depth_weights) == 1
