"""Plans: the jobs that materialize them, derived from the asset graph."""

import dagster as dg
import pytest

from catalog_assets.definitions import defs
from catalog_assets.plan import TARGET, Plan, step, steps
from tests.conftest import tiny_plan

EVERYTHING = Plan(
    encoders=("imagenet-lite0",),
    classifiers=("imagenet-lite0-probe",),
    shares=("imagenet-lite0|0.05",),
    searches=("quick",),
    students=("student-of-search",),
    ensembles=("stack",),
    attributes=("color",),
    confidences=("search-quick",),
)
ONLY_ENCODERS = Plan(encoders=("imagenet-lite0",))
PLANS = {"everything": EVERYTHING, "tiny": tiny_plan(), "encoders": ONLY_ENCODERS, "nothing": Plan()}
GRAPH = defs.resolve_asset_graph()


def parents(asset: str) -> set[str]:
    return {key.path[-1] for key in GRAPH.get(dg.AssetKey(asset)).parent_keys if GRAPH.get(key).is_materializable}


def test_the_tiny_plan_runs_the_design_s_flow() -> None:
    assert [each.job for each in steps(defs, tiny_plan())] == [
        *("prepare", "ingest", "assemble", "encode", "efficiency", "evaluate_encoder", "train", "evaluate"),
        *("compare", "deploy", "categorize", "monitor", "refresh"),
    ]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_every_asset_is_materialized_once_and_after_all_that_it_is_made_from(plan: Plan) -> None:
    flow = steps(defs, plan)
    order = [asset for each in flow for asset in each.assets]
    assert len(order) == len(set(order))
    for position, asset in enumerate(order):
        assert parents(asset) & set(order[position:]) == set(), asset


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_warehouse_is_materialized_last_with_all_that_it_reads_and_that_has_a_recipe(plan: Plan) -> None:
    flow = steps(defs, plan)
    assert flow[-1].assets[-1] == TARGET
    made = {asset for each in flow for asset in each.assets}
    without_recipe = {
        "tiny": set(),
        "everything": set(),
        "encoders": {
            *("calibration", "comparison", "champion", "universal_catalog", "drift", "golden_score", "data_efficiency"),
        },
        "nothing": {
            *("calibration", "comparison", "champion", "universal_catalog", "drift", "golden_score", "data_efficiency"),
            *("encoder_quality", "similarity_index", "embedding_drift"),
        },
    }
    [name] = [name for name, each in PLANS.items() if each is plan]
    assert parents(TARGET) - made == without_recipe[name]


def test_a_job_that_covers_more_is_preferred() -> None:
    jobs = {each.job for each in steps(defs, tiny_plan())}
    assert "ingest" in jobs
    assert "parse" not in jobs


def test_assets_that_were_not_requested_are_left_out() -> None:
    made = {asset for each in steps(defs, EVERYTHING) for asset in each.assets}
    assert made.isdisjoint(
        {"download_probe", "link_rot", "feed_freshness", "suspect_labels", "multimodal", "title_embeddings"}
    )
    assert "confidence" not in {asset for each in steps(defs, tiny_plan()) for asset in each.assets}


def test_every_kind_of_recipe_has_its_keys(instance: dg.DagsterInstance) -> None:
    keys = {each.job: list(each.keys(instance)) for each in steps(defs, EVERYTHING)}
    assert keys["encode"] == ["imagenet-lite0"]
    assert keys["train"] == ["imagenet-lite0-probe", "search-quick"]
    assert keys["evaluate"] == ["imagenet-lite0-probe", "search-quick", "student-of-search", "stack"]
    assert keys["calibrate"] == ["search-quick"]
    assert keys["efficiency"] == ["imagenet-lite0|0.05"]
    assert keys["attributes"] == ["color"]
    assert keys["assemble"] == keys["refresh"] == [None]


def test_a_delivery_waits_until_its_inputs_are_there(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("deliveries", ["hansen.first", "hansen.second"])
    for asset in ("products", "images", "outcomes"):
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition="hansen.first"))
    assert step(defs, "ingest", Plan()).keys(instance) == ["hansen.first", "hansen.second"]
    assert step(defs, "categorize", Plan()).keys(instance) == ["hansen.first"]
    assert step(defs, "monitor", Plan()).keys(instance) == []
