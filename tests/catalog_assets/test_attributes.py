"""An attribute besides the categories: colour, which two of the demo's four partners tell and the pictures show."""

import shutil

import dagster as dg
import polars as pl
import pytest

from catalog.warehouse import query
from catalog_assets.definitions import definitions
from demo.flow import QUIET
from ml.recipe_types import AttributeRecipe
from ml.recipes import ATTRIBUTE_RECIPES, attribute_recipe
from resources.store import Store
from tests.conftest import TinyCatalogue

ATTRIBUTE = "color"


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("attributes") / "store"
    shutil.copytree(tiny_catalogue.root, root)
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(str(root))
        for job, partition in (("attributes", ATTRIBUTE), ("compare", None)):
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=True
            )
    return Store(root=str(root))


def test_every_product_has_a_colour_whose_partner_tells_none(store: Store) -> None:
    told = query(store.local / "catalog.duckdb", "SELECT * FROM attribute_predictions")
    assert set(told["product_id"]) == set(store.scan("dataset").collect()["product_id"])
    assert told["predicted"].null_count() == 0
    assert set(told["predicted"]) <= {"white", "grey", "black"}
    silent = told.filter(pl.col("product_id").str.starts_with("zwirnwald:"))

    assert len(silent) > 0
    assert silent["given"].null_count() == len(silent)


def test_colours_are_told_far_better_than_by_the_commonest(store: Store) -> None:
    judged = store.scan("attribute_metrics").filter(split="golden", metric="top1").collect().row(0, named=True)
    golden = store.scan("attribute_predictions").filter(split="golden").collect()
    commonest = golden["given"].value_counts(sort=True)["count"][0] / len(golden)
    assert judged["num_samples"] == len(golden)
    assert judged["value"] == pytest.approx((golden["given"] == golden["predicted"]).mean())
    assert judged["ci_low"] > commonest + 0.1


def test_an_attribute_that_nobody_tells_is_refused(store: Store) -> None:
    with dg.DagsterInstance.from_config(str(store.local / "dagster")) as instance:
        run = definitions(str(store.local)).resolve_job_def("attributes")
        with pytest.raises(ValueError, match="an attribute takes two labels with 20 training pictures each"):
            run.execute_in_process(instance=instance, partition_key="pattern", run_config=QUIET, raise_on_error=True)


def test_an_unknown_attribute_is_refused_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"unknown attribute recipe 'colour'; .*color"):
        attribute_recipe("colour")


@pytest.mark.parametrize("recipe", ATTRIBUTE_RECIPES.values(), ids=ATTRIBUTE_RECIPES)
def test_an_attribute_has_one_level(recipe: AttributeRecipe) -> None:
    assert len(recipe.classifier.depth_weights) == 1
