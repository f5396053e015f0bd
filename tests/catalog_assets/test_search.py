"""A search in Dagster: its trials as rows and as MLflow runs, and a recipe that trains again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.search_progress import draw_progress
from catalog.warehouse import query
from catalog_assets.definitions import definitions
from catalog_assets.trained import found_recipe, trained_recipe
from demo.flow import QUIET
from ml.search.recipe import SEARCH_RECIPES, SearchRecipe
from resources.store import Store
from tests.conftest import TinyCatalogue

NAME = "quick"
TINY = replace(
    SEARCH_RECIPES[NAME],
    searcher="optuna",  # the quickest to start; what searchers have in common is tested beside them
    base=replace(SEARCH_RECIPES[NAME].base, label_fraction=0.5),
    space=replace(SEARCH_RECIPES[NAME].space, epochs=(3,), augmentation=(0.0,)),
    bracket_size=4,
    max_trials=4,
    metric="value_weighted_accuracy",
    budget_s=60.0,
)


@dataclass(frozen=True)
class Searched:
    """A store in which a search has run, and what Dagster recorded of it."""

    store: Store
    metadata: dict[str, object]


def run(root: Path, recipe: SearchRecipe, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """The search, with this recipe under its name."""
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        patched.setitem(SEARCH_RECIPES, NAME, recipe)
        return (
            definitions(str(root))
            .resolve_job_def("search")
            .execute_in_process(instance=instance, partition_key=NAME, run_config=QUIET, raise_on_error=raise_on_error)
        )


@pytest.fixture(scope="module")
def searched(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    root = tmp_path_factory.mktemp("search") / "store"
    shutil.copytree(tiny_catalogue.root, root)
    result = run(root, TINY)
    [made] = result.asset_materializations_for_node("searches")
    yield Searched(Store(root=str(root)), {name: value.value for name, value in made.metadata.items()})


def trials(store: Store) -> pl.DataFrame:
    return store.scan("trials").collect()


def test_every_rung_of_every_trial_is_a_row(searched: Searched) -> None:
    rows = trials(searched.store)
    assert rows["search"].unique().to_list() == [NAME]
    assert rows["trial"].n_unique() == TINY.max_trials
    assert set(rows["encoder"]) == set(TINY.space.encoders)
    assert rows.filter(rung=0)["metric"].is_between(0.3, 1.0).all()  # probes of embeddings know some of the clothes
    assert rows["rung"].to_list() == [0, 0, 0, 0, 1, 1, 2]
    assert rows.filter(pl.col("rung") > 0)["epochs"].to_list() == [1, 1, 3]
    assert rows["state"].unique().to_list() == ["finished"]
    assert all(json.loads(each)["lr"] > 0 for each in rows["params"])


def test_the_recipe_found_is_the_best_finished_trial_and_comes_back_whole(searched: Searched) -> None:
    recipe = found_recipe(searched.store, NAME)
    last = trials(searched.store).filter(rung=TINY.last_rung)
    params = json.loads(last["params"][0])
    assert recipe.name == f"search-{NAME}"
    assert recipe.encoder == params["encoder"]
    assert recipe.optimisation.lr == params["lr"]
    assert recipe.optimisation.epochs == 3
    assert recipe.depth_weights == TINY.base.depth_weights  # a tuple again
    assert recipe.label_fraction == TINY.base.label_fraction
    assert recipe.augmentation is not None
    assert replace(recipe, name=recipe.name) == recipe
    assert searched.metadata[TINY.metric] == last["metric"][0]


def test_the_page_says_why_it_ended_and_draws_what_was_spent(searched: Searched) -> None:
    assert str(searched.metadata["ended"]).startswith("all 4 trials had come; ")
    assert str(searched.metadata["progress"]).startswith(f"![{TINY.metric} by device seconds](data:image/png;base64,")
    spent = trials(searched.store)["device_seconds"].sum()
    assert searched.metadata["device_seconds"] == pytest.approx(spent)


def test_every_trial_is_a_run_under_the_searchs_run(searched: Searched) -> None:
    client = definitions(searched.store.root).resources["tracking"].client()
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


def test_sql_answers_which_encoder_is_worth_what(searched: Searched) -> None:
    root = Path(searched.store.root)
    defs = definitions(str(root))
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs.resolve_job_def("compare").execute_in_process(instance=instance, run_config=QUIET, raise_on_error=True)
    asked = "SELECT encoder, max(metric) AS best FROM trials WHERE search = ? AND rung = 0 GROUP BY encoder"
    answer = query(root / "catalog.duckdb", asked, [NAME])
    assert set(answer["encoder"]) == set(TINY.space.encoders)


def test_what_was_found_is_trained_judged_and_compared_like_any_other_classifier(searched: Searched) -> None:
    root, name = Path(searched.store.root), f"search-{NAME}"
    defs = definitions(str(root))
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        for job in ("train", "judge"):
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=name, run_config=QUIET, raise_on_error=True
            )
        compared = defs.resolve_job_def("compare").execute_in_process(
            instance=instance, run_config=QUIET, asset_selection=[dg.AssetKey("comparison")], raise_on_error=True
        )
        assert compared.success
    row = searched.store.scan("comparison").filter(classifier=name).collect().row(0, named=True)
    found = found_recipe(searched.store, NAME)
    assert (row["kind"], row["encoder"], row["mode"]) == ("classifier", found.encoder, "finetune")
    assert row["num_labels"] > 0
    with pytest.raises(FileNotFoundError, match=r"search 'library' has found no recipe"):
        trained_recipe(searched.store, "search-library")


def test_made_again_it_runs_no_trial_again(searched: Searched) -> None:
    before = trials(searched.store)
    run(Path(searched.store.root), TINY)
    assert trials(searched.store).equals(before)


def test_a_budget_too_small_for_any_trial_fails_and_says_so(tiny_catalogue: TinyCatalogue, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(tiny_catalogue.root, root)
    result = run(root, replace(TINY, budget_s=1e-3), raise_on_error=False)
    assert not result.success
    [failure] = [event for event in result.all_node_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data.description
    assert "has no finished trial: the budget of 0.001 device seconds bears no further rung" in said
    assert len(trials(Store(root=str(root)))) == 1
    with pytest.raises(FileNotFoundError, match=r"has found no recipe; materialise searches\[quick\]"):
        found_recipe(Store(root=str(root)), NAME)


def test_nothing_to_draw_is_said() -> None:
    rows = pl.DataFrame({"rung": [0], "metric": pl.Series([None], dtype=pl.Float64), "device_seconds": [1.0]})
    with pytest.raises(ValueError, match="no trial has a metric"):
        draw_progress(rows, "top1", None)
