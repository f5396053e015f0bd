"""Every table and folder of the store is written only by the asset of its name."""

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

import catalog_assets
from catalog.storage.tables import TABLES
from catalog_assets.definitions import defs
from ml.deployment.deployment import POINTER
from tests.conftest import TinyCatalog
from tests.sources import parsed

ROOT = Path(catalog_assets.__file__).parent
# Folders that people, other tools and caches write.
NOT_OF_ASSETS = {"inbox", "reference", "deliveries", "feed_versions", "dagster", "mlflow", "cache"}
GRAPH = defs.resolve_asset_graph()
ASSETS = {key.path[-1] for key in GRAPH.get_all_asset_keys()}


def writes(method: str) -> Iterator[tuple[str, str]]:
    """The first folder of each `store.METHOD(content, FOLDER, ...)` in catalog_assets, and the module of the call."""
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join(file.relative_to(ROOT.parent).with_suffix("").parts)
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(f"store.{method}"):
                yield folder_of(node.args[1], importlib.import_module(name)), name


def folder_of(argument: ast.expr, module: ModuleType) -> str:
    """The value of a string, of a constant of the module, or of the first of several parts."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.Name):
        return str(getattr(module, argument.id))
    assert isinstance(argument, ast.Starred)
    if isinstance(argument.value, ast.Tuple):
        return folder_of(argument.value.elts[0], module)
    assert ast.unparse(argument.value) == "POINTER"
    return POINTER[0]


def test_every_table_is_an_asset() -> None:
    assert set(TABLES) <= ASSETS


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_partitioned_as_its_asset(name: str) -> None:
    assert bool(TABLES[name].keys) == (GRAPH.get(dg.AssetKey(name)).partitions_def is not None)


def test_no_two_steps_materialize_one_asset() -> None:
    keys = [key for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition) for key in asset.keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("method", ["write", "write_json"])
def test_a_folder_is_written_by_one_module_and_has_the_name_of_an_asset(method: str) -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    for folder, module in writes(method):
        modules[folder].add(module)
    assert len(modules) > 2
    assert set(modules) <= ASSETS
    assert {folder: names for folder, names in modules.items() if len(names) > 1} == {}


def test_a_table_that_a_step_writes_itself_is_not_also_written_by_the_io_manager() -> None:
    written = {folder for folder, _ in writes("write")}
    managed = {
        key.path[-1]
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
        if asset.get_io_manager_key_for_asset_key(key) == "tables"
    }
    assert written.isdisjoint(managed)
    assert set(TABLES) - written - managed == {"images"}  # whose shards the downloader writes


def test_every_folder_of_a_store_has_the_name_of_the_asset_that_writes_it(tiny_catalog: TinyCatalog) -> None:
    folders = {path.name for path in tiny_catalog.root.iterdir() if path.is_dir()}
    assert folders - NOT_OF_ASSETS <= ASSETS
