"""Ensembles of the catalog's classifiers, evaluated beside their members."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.storage.warehouse import query
from catalog_assets.classifiers.lookup import ensemble_record
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from ml.recipes import CLASSIFIER_RECIPES, ENSEMBLE_RECIPES
from resources.recipes import PRESETS
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.described import assert_described

ENSEMBLE = "stack-5pct"


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    root = tiny_catalog.copy(module_folder).root
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(Settings.read(store=str(root)))
        for job in ("combine", "evaluate"):
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=ENSEMBLE, run_config=QUIET, raise_on_error=True
            )
        defs.resolve_job_def("compare").execute_in_process(instance=instance, run_config=QUIET, raise_on_error=True)
    return Store(root=str(root))


def test_an_ensemble_and_its_members_have_a_row_on_every_split(store: Store) -> None:
    rows = query(store.local / "catalog.duckdb", "SELECT * FROM ensembles")
    members = ENSEMBLE_RECIPES[ENSEMBLE].members
    for _, part in rows.group_by("split"):
        assert set(part["classifier"]) == {ENSEMBLE, *members}
        assert part["num_samples"].n_unique() == 1
    weights = rows.filter(split="val").filter(classifier=members[0])["weight"].item()
    assert 0 <= weights <= 1
    assert store.read_json("ensembles", f"ensemble={ENSEMBLE}", "ensemble.json") is not None


def test_a_member_alone_has_the_accuracy_of_its_metrics(store: Store) -> None:
    assert_described(store.root, "ensembles")
    member = ENSEMBLE_RECIPES[ENSEMBLE].members[0]
    alone = store.scan("ensembles").filter(classifier=member, split="test").collect()["top1"].item()
    top1 = store.scan("metrics", [member]).filter(split="test", level=4, metric="top1").collect()["value"].item()
    assert alone == pytest.approx(top1, abs=0.01)  # ties of rounded probabilities may fall otherwise


def test_an_ensemble_is_evaluated_like_any_classifier_and_costs_what_its_members_do(store: Store) -> None:
    grid = {row["classifier"]: row for row in store.scan("comparison").collect().iter_rows(named=True)}
    row, members = grid[ENSEMBLE], [grid[name] for name in ENSEMBLE_RECIPES[ENSEMBLE].members]
    alone = store.scan("ensembles").filter(classifier=ENSEMBLE, split=row["split"]).collect()
    assert row["kind"] == "ensemble"
    assert row["top1"] == pytest.approx(alone["top1"].item(), abs=0.01)
    assert row["ms_per_image"] == pytest.approx(sum(each["ms_per_image"] for each in members))
    predicted = store.predictions(ENSEMBLE).select(pl.col(f"top_{level}").list.first() for level in (1, 2, 3, 4))
    taxonomy = store.taxonomy()
    assert all(taxonomy.levels(path[-1]) == path for path in predicted.unique().rows())


def test_an_ensemble_is_no_candidate(store: Store) -> None:
    assert ENSEMBLE not in set(store.scan("champion_decisions").collect()["candidate"])


def test_an_ensemble_whose_member_was_trained_again_is_refused(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(store.local, root)
    changed = Store(root=str(root))
    member = ENSEMBLE_RECIPES[ENSEMBLE].members[1]
    record = changed.read_json("classifiers", member, "classifier.json")
    assert record is not None
    changed.write_json({**record, "sha256": "0" * 64}, "classifiers", member, "classifier.json")
    with pytest.raises(ValueError, match=f"{member} changed since ensemble '{ENSEMBLE}' was fitted"):
        ensemble_record(changed, ENSEMBLE)


@pytest.mark.parametrize("name", ENSEMBLE_RECIPES)
def test_members_are_classifiers(name: str) -> None:
    assert set(PRESETS.ensemble(name).members) <= set(CLASSIFIER_RECIPES)
