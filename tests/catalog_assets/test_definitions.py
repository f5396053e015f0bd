"""The definitions load without heavy imports, and their lineage is the designed one."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster_shared.serdes import serialize_value

from catalog_assets.definitions import definitions, defs
from resources.settings import Settings
from tests.dagster_internals import RepositorySnap

HEAVY = ("torch", "timm", "faiss", "mlflow", "pyspark", "ray", "matplotlib", "sklearn")


def test_importing_the_definitions_loads_no_heavy_library() -> None:
    script = f"import sys, catalog_assets.definitions; print([name for name in {HEAVY!r} if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_the_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_module_has_one_definitions_object_as_dagster_s_loader_wants() -> None:
    module = sys.modules["catalog_assets.definitions"]
    assert [name for name, value in vars(module).items() if isinstance(value, dg.Definitions)] == ["defs"]


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars` is deprecated")  # Dagster reads it
def test_what_dagster_stores_of_the_definitions_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2://shelfsight:hunter2@db/mlflow")
    monkeypatch.setenv("SHELFSIGHT_WEBHOOK", "https://hooks.example/hunter2")
    monkeypatch.setenv("SHELFSIGHT_CONTACT", "somebody@example.com")
    stored = serialize_value(RepositorySnap.from_def(definitions(Settings.read(store="store")).get_repository_def()))
    assert "somebody@example.com" in stored  # not a secret: it is sent to every shop
    assert "hunter2" not in stored


def test_every_asset_descends_from_the_feed_files() -> None:
    graph = defs.resolve_asset_graph()
    for name in ("images", "dataset", "embeddings", "predictions", "comparison", "champion", "warehouse"):
        ancestors = {key.path[-1] for key in graph.get_ancestor_asset_keys(dg.AssetKey(name))}
        assert "feed_files" in ancestors, name


def test_every_blocking_check_blocks() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    assert {
        "download_health",
        "no_group_in_two_splits",
        "no_product_in_another_split",
        "no_golden_product_in_training",
        "label_coverage",
    } <= blocking


def test_every_step_on_the_device_is_in_its_pool() -> None:
    graph = defs.resolve_asset_graph()
    for name in (
        "encoders",
        "embeddings",
        "encoder_quality",
        "similarity_index",
        "classifiers",
        "predictions",
        "share_outcomes",
    ):
        assert graph.get(dg.AssetKey(name)).pools == {"device"}, name


def test_every_asset_has_an_owner() -> None:
    graph = defs.resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if not graph.get(key).owners] == []


def test_checks_of_partitioned_assets_are_partitioned_alike() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == graph.get(key.asset_key).partitions_def, key
