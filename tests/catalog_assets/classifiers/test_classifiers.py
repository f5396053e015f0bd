"""Classifiers with other losses, heads and training images than the demo's; `benchmarks/recipes.py` measures them."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from ml.recipes import DEMO_CLASSIFIERS
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog

RECIPES = ("simclr-mnv3-hierarchical-5pct", "simclr-mnv3-fixmatch-5pct", "imagenet-lite0-partial")


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    root = tiny_catalog.copy(module_folder).root
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(Settings.read(store=str(root)))
        for name in RECIPES:
            # Five percent of the tiny catalog's labels are ten.
            recipe = replace(DEMO_CLASSIFIERS[name], label_fraction=0.2)
            patched.setitem(DEMO_CLASSIFIERS, name, recipe)
            for job in ("train", "evaluate"):
                defs.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=name, run_config=QUIET, raise_on_error=True
                )
    return Store(root=str(root))


@pytest.mark.parametrize("name", RECIPES)
def test_every_prediction_is_one_path_of_the_taxonomy(store: Store, name: str) -> None:
    predicted = store.predictions(name).select(pl.col(f"top_{level}").list.first() for level in (1, 2, 3, 4))
    taxonomy = store.taxonomy()
    assert len(predicted)
    for path in predicted.unique().rows():
        assert taxonomy.levels(path[-1]) == path


@pytest.mark.parametrize("name", RECIPES)
def test_the_record_has_the_recipe_that_was_trained(store: Store, name: str) -> None:
    record = store.read_json("classifiers", name, "classifier.json")
    assert record is not None
    recipe = DEMO_CLASSIFIERS[name]
    trained = record["recipe"]
    assert (trained["heads"], trained["loss"], trained["tuned_share"]) == (
        recipe.heads,
        recipe.loss,
        recipe.tuned_share,
    )
    assert (trained["semi_supervised"] is None) == (recipe.semi_supervised is None)
    assert trained["optimization"]["epochs"] == recipe.optimization.epochs
    ranked = store.scan("dataset").select("label_rank").collect()["label_rank"].drop_nulls()
    assert record["num_labels"] == (ranked < 0.2).sum()


@pytest.mark.parametrize("name", RECIPES)
def test_metrics_and_calibration_are_of_every_held_out_split(store: Store, name: str) -> None:
    splits = set(store.predictions(name)["split"])
    for table in ("metrics", "calibration"):
        assert set(store.scan(table, [name]).collect()["split"]) == splits
