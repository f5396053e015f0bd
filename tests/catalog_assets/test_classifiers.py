"""Classifiers of the catalogue that learn by other losses, heads and pictures than the demo's."""

import shutil
from dataclasses import replace

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import definitions
from demo.flow import QUIET
from ml.recipes import CLASSIFIER_RECIPES
from resources.store import Store
from tests.conftest import TinyCatalogue

RECIPES = ("simclr-mnv3-hierarchical-5pct", "simclr-mnv3-fixmatch-5pct", "imagenet-lite0-partial")


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("classifiers") / "store"
    shutil.copytree(tiny_catalogue.root, root)
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(str(root))
        for recipe in RECIPES:
            # Five percent of the tiny catalogue's labels are ten: what they teach is luck.
            enough = replace(CLASSIFIER_RECIPES[recipe], label_fraction=0.5)
            patched.setitem(CLASSIFIER_RECIPES, recipe, enough)
            for job in ("train", "judge"):
                defs.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=recipe, run_config=QUIET, raise_on_error=True
                )
    return Store(root=str(root))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_prediction_is_one_path_of_the_taxonomy(store: Store, recipe: str) -> None:
    predicted = store.predictions(recipe).select(pl.col(f"top_{level}").list.first() for level in (1, 2, 3, 4))
    taxonomy = store.taxonomy()
    assert len(predicted)
    for path in predicted.unique().rows():
        assert taxonomy.levels(path[-1]) == path


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_learned_something(store: Store, recipe: str) -> None:
    judged = store.scan("metrics", [recipe]).filter(split="test", level=4, metric="top1").collect()
    assert judged["value"].item() > 0.2  # ten leaves, and a few dozen labels
