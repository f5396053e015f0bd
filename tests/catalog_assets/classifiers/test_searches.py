"""Searches as assets: trials as rows and as MLflow runs, and a recipe that trains as a classifier."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.evaluation.search_plot import draw_progress
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.classifiers import searches as searches_module
from catalog_assets.classifiers.trained_recipes import found_recipe, trained_recipe
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from ml.search.budget import Budget
from ml.search.objective import SearchData
from ml.search.pace import Pace
from ml.search.recipe import SEARCH_RECIPES, SearchRecipe
from ml.search.space import Candidate
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.described import assert_described

pytestmark = pytest.mark.end_to_end
NAME = "quick"
TINY = replace(
    SEARCH_RECIPES[NAME],
    searcher="optuna",  # the quickest to start; what searchers have in common is tested beside them
    base=replace(SEARCH_RECIPES[NAME].base, label_fraction=0.5),
    space=replace(SEARCH_RECIPES[NAME].space, epochs=(3,), augmentation=(0.0,)),
    bracket_size=4,
    max_trials=4,
    metric="value_weighted_accuracy",
    budget=Budget(seconds=3_600.0),  # all trials finish, however busy the machine is
)


@dataclass(frozen=True, kw_only=True)
class Unprobeable:
    """An objective that fails."""

    library: dict[str, SearchData]
    device: str = "cpu"
    num_threads: int = 1

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path, pace: Pace) -> float:
        raise OSError("the embeddings cannot be read")


@dataclass(frozen=True)
class Searched:
    """A store in which a search has run, and the metadata of the search."""

    store: Store
    metadata: dict[str, object]


def run(root: Path, recipe: SearchRecipe, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """Run the search, with this recipe under its name."""
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        patched.setitem(SEARCH_RECIPES, NAME, recipe)
        return (
            definitions(Settings.read(store=str(root)))
            .resolve_job_def("search")
            .execute_in_process(instance=instance, partition_key=NAME, run_config=QUIET, raise_on_error=raise_on_error)
        )


@pytest.fixture(scope="module")
def searched(tiny_catalog: TinyCatalog, module_folder: Path) -> Iterator[Searched]:
    root = tiny_catalog.copy(module_folder).root
    result = run(root, TINY)
    made = {event.asset_key.path[-1]: event for event in result.asset_materializations_for_node("run_searches")}
    assert set(made) == {"trials", "searches"}
    yield Searched(Store(root=str(root)), {name: value.value for name, value in made["searches"].metadata.items()})


def trials(store: Store) -> pl.DataFrame:
    return store.scan("trials").collect()


def test_every_rung_of_every_trial_is_a_row(searched: Searched) -> None:
    assert_described(searched.store.root, "trials")
    rows = trials(searched.store)
    assert rows["search"].unique().to_list() == [NAME]
    assert rows["trial"].n_unique() == TINY.max_trials
    assert set(rows["encoder"]) == set(TINY.space.encoders)
    assert rows.filter(rung=0)["metric"].is_between(0.3, 1.0).all()  # probes of embeddings know some of the clothes
    assert rows["rung"].to_list() == [0, 0, 0, 0, 1, 1, 2]
    assert rows.filter(pl.col("rung") > 0)["epochs"].to_list() == [1, 1, 3]
    assert rows["state"].unique().to_list() == ["finished"]
    assert all(json.loads(each)["lr"] > 0 for each in rows["params"])


def test_the_recipe_found_is_the_best_attempt_and_comes_back_whole(searched: Searched) -> None:
    recipe, rows = found_recipe(searched.store, NAME), trials(searched.store)
    [best] = rows.filter("is_winner").iter_rows(named=True)
    params = json.loads(best["params"])
    assert best["metric"] == rows["metric"].max()
    assert recipe.name == f"search-{NAME}"
    assert recipe.encoder == params["encoder"]
    assert recipe.mode == ("finetune" if best["rung"] else "probe")
    if best["rung"]:
        assert recipe.optimization.lr == params["lr"]
        assert recipe.optimization.epochs == best["epochs"]
    assert recipe.depth_weights == TINY.base.depth_weights  # a tuple again
    assert recipe.label_fraction == TINY.base.label_fraction
    assert replace(recipe, name=recipe.name) == recipe
    assert searched.metadata[TINY.metric] == best["metric"]


def test_trainings_are_timed_at_the_probes_and_by_their_own_steps(searched: Searched) -> None:
    rows = trials(searched.store)
    assert rows.filter(pl.col("rung") > 0)["epoch_seconds"].is_between(1e-6, 600.0).all()
    paid = rows.filter(pl.col("rung") == 0, pl.col("device_seconds") > 0)
    assert set(paid["encoder"]) == set(TINY.space.encoders)
    assert paid["epoch_seconds"].is_between(1e-6, 600.0).all()


def test_the_metadata_has_why_it_ended_and_a_plot_of_its_progress(searched: Searched) -> None:
    assert str(searched.metadata["ended"]).startswith("all 4 trials have run; ")
    assert str(searched.metadata["progress"]).startswith(f"![{TINY.metric} by device seconds](data:image/png;base64,")
    spent = trials(searched.store)["device_seconds"].sum()
    assert searched.metadata["device_seconds"] == pytest.approx(spent)


def test_every_trial_is_a_run_nested_under_the_search(searched: Searched) -> None:
    client = definitions(Settings.read(store=searched.store.root)).resources["tracking"].client()
    parent = str(searched.metadata["mlflow"]).rsplit("/", 1)[-1]
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    rows = trials(searched.store)
    assert len(children) == rows["trial"].n_unique()
    assert {child.info.status for child in children} == {"FINISHED"}
    last = rows.filter(rung=TINY.last_rung)
    params = json.loads(last["params"][0])
    [winner] = [child for child in children if child.data.params["lr"] == str(params["lr"])]
    steps = {each.step: each.value for each in client.get_metric_history(winner.info.run_id, TINY.metric)}
    assert steps == {row["rung"]: row["metric"] for row in rows.filter(trial=last["trial"][0]).iter_rows(named=True)}


def test_sql_reports_the_best_trial_of_each_encoder(searched: Searched) -> None:
    root = Path(searched.store.root)
    write_warehouse(root / "catalog.duckdb", str(root))
    sql = "SELECT encoder, max(metric) AS best FROM trials WHERE search = ? AND rung = 0 GROUP BY encoder"
    rows = query(root / "catalog.duckdb", sql, [NAME])
    assert set(rows["encoder"]) == set(TINY.space.encoders)


def test_the_found_recipe_is_trained_evaluated_and_compared_like_any_classifier(searched: Searched) -> None:
    root, name = Path(searched.store.root), f"search-{NAME}"
    defs = definitions(Settings.read(store=str(root)))
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        for job in ("train", "evaluate"):
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=name, run_config=QUIET, raise_on_error=True
            )
        compared = defs.resolve_job_def("compare").execute_in_process(
            instance=instance, run_config=QUIET, asset_selection=[dg.AssetKey("comparison")], raise_on_error=True
        )
        assert compared.success
    row = searched.store.scan("comparison").filter(classifier=name).collect().row(0, named=True)
    found = found_recipe(searched.store, NAME)
    assert (row["kind"], row["encoder"], row["mode"]) == ("classifier", found.encoder, found.mode)
    assert row["num_labels"] > 0
    with pytest.raises(FileNotFoundError, match=r"search 'library' has found no recipe"):
        trained_recipe(searched.store, "search-library")


def test_a_finished_search_run_again_repeats_no_trial(searched: Searched) -> None:
    before = trials(searched.store)
    run(Path(searched.store.root), TINY)
    assert trials(searched.store).equals(before)


def test_a_budget_below_a_probe_finds_a_probe_that_trains_like_any_classifier(
    tiny_catalog: TinyCatalog, tmp_path: Path
) -> None:
    root = tiny_catalog.copy(tmp_path).root
    result = run(root, replace(TINY, budget=Budget(seconds=1e-3)))
    made = {event.asset_key.path[-1]: event for event in result.asset_materializations_for_node("run_searches")}
    ended = str(made["searches"].metadata["ended"].value)
    assert ended.startswith("no further rung fits the budget of 0.001 device seconds; the best is a probe of ")
    rows, store = trials(Store(root=str(root))), Store(root=str(root))
    assert (len(rows), rows["is_winner"].to_list()) == (1, [True])
    recipe = found_recipe(store, NAME)
    assert (recipe.mode, recipe.encoder, recipe.label_fraction) == ("probe", rows["encoder"][0], 0.5)
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        trained = (
            definitions(Settings.read(store=str(root)))
            .resolve_job_def("train")
            .execute_in_process(instance=instance, partition_key=f"search-{NAME}", run_config=QUIET)
        )
    assert trained.success
    record = store.read_json("classifiers", f"search-{NAME}", "classifier.json")
    assert record is not None
    assert record["recipe"]["mode"] == "probe"


def test_a_search_whose_probes_all_fail_fails_with_the_reasons_and_starts_afresh(
    tiny_catalog: TinyCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tiny_catalog.copy(tmp_path).root
    monkeypatch.setattr(searches_module, "finetuning_objective", lambda *arguments: Unprobeable(library={}))
    result = run(root, TINY, raise_on_error=False)
    assert not result.success
    [failure] = [event for event in result.all_node_events if event.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert "has no classifier, since no probe finished: the probe of every encoder failed" in description
    assert "failed: OSError: the embeddings cannot be read" in description
    assert len(trials(Store(root=str(root)))) == len(TINY.space.encoders)
    assert not list((Store(root=str(root)).scratch / "searches").rglob("ledger.sqlite"))
    with pytest.raises(FileNotFoundError, match=r"has found no recipe; materialize searches\[quick\]"):
        found_recipe(Store(root=str(root)), NAME)


def test_a_plot_without_any_metric_is_refused() -> None:
    rows = pl.DataFrame({"rung": [0], "metric": pl.Series([None], dtype=pl.Float64), "device_seconds": [1.0]})
    with pytest.raises(ValueError, match="no trial has a metric"):
        draw_progress(rows, "top1", None)
