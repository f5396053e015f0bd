"""Ensembles of the catalogue's classifiers, beside their members."""

import shutil

import dagster as dg
import pytest

from catalog.warehouse import query
from catalog_assets.definitions import definitions
from demo.flow import QUIET
from ml.recipes import CLASSIFIER_RECIPES, ENSEMBLE_RECIPES, ensemble_recipe
from resources.store import Store
from tests.conftest import TinyCatalogue

ENSEMBLE = "stack-5pct"


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("ensembles") / "store"
    shutil.copytree(tiny_catalogue.root, root)
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(str(root))
        defs.resolve_job_def("combine").execute_in_process(
            instance=instance, partition_key=ENSEMBLE, run_config=QUIET, raise_on_error=True
        )
        defs.resolve_job_def("compare").execute_in_process(instance=instance, run_config=QUIET, raise_on_error=True)
    return Store(root=str(root))


def test_an_ensemble_stands_beside_its_members_on_every_split(store: Store) -> None:
    found = query(store.local / "catalog.duckdb", "SELECT * FROM ensembles")
    members = ENSEMBLE_RECIPES[ENSEMBLE].members
    for _, part in found.group_by("split"):
        assert set(part["classifier"]) == {ENSEMBLE, *members}
        assert part["num_samples"].n_unique() == 1
    weights = found.filter(split="val").filter(classifier=members[0])["weight"].item()
    assert 0 <= weights <= 1
    assert store.read_json("ensembles", f"ensemble={ENSEMBLE}", "ensemble.json") is not None


def test_a_stack_s_member_alone_is_what_the_metrics_say_of_it(store: Store) -> None:
    member = ENSEMBLE_RECIPES[ENSEMBLE].members[0]
    alone = store.scan("ensembles").filter(classifier=member, split="test").collect()["top1"].item()
    judged = store.scan("metrics", [member]).filter(split="test", level=4, metric="top1").collect()["value"].item()
    assert alone == pytest.approx(judged, abs=0.01)  # ties of rounded probabilities may fall otherwise


@pytest.mark.parametrize("name", ENSEMBLE_RECIPES)
def test_members_are_classifiers(name: str) -> None:
    assert set(ensemble_recipe(name).members) <= set(CLASSIFIER_RECIPES)
