"""Dagster's private names: imported in one module, and as that module relies on them."""

import ast
from pathlib import Path

import dagster as dg

from resources import dagster_internals
from resources.run_launcher import WatchedRunLauncher
from tests.conftest import REPOSITORY
from tests.sources import parsed

# One module of the project and one of its tests: what Dagster has no public name for.
MODULES = {"resources/dagster_internals.py", "tests/dagster_internals.py"}


def private_imports(path: Path) -> set[str]:
    """The private modules of Dagster's packages that a module imports."""
    modules = set[str]()
    for node in ast.walk(parsed(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules |= {name for name in names if name.startswith("dagster") and "._" in name}
    return modules


def test_two_modules_import_private_modules_of_dagster() -> None:
    folders = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo", "tests", "benchmarks")
    importing = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        if private_imports(path)
    }
    assert importing == MODULES


def test_an_asset_that_was_never_made_is_stale_and_one_that_was_is_not() -> None:
    @dg.asset
    def lonely() -> None: ...

    defs = dg.Definitions(assets=[lonely])
    with dg.DagsterInstance.ephemeral() as instance:
        assert dagster_internals.is_stale(defs, instance, "lonely", None)
        dg.materialize([lonely], instance=instance)
        assert not dagster_internals.is_stale(defs, instance, "lonely", None)


def test_dagster_compares_the_versions_of_fewer_than_a_hundred_partitions() -> None:
    assert dagster_internals.MAX_CHECKED_PARTITIONS == 100


def test_the_launcher_s_health_result_has_a_status_and_a_message() -> None:
    result = dagster_internals.CheckRunHealthResult(dagster_internals.WorkerStatus.NOT_FOUND, "gone")
    assert (result.status.value, result.msg) == ("NOT_FOUND", "gone")
    assert {"RUNNING", "NOT_FOUND"} <= {status.name for status in dagster_internals.WorkerStatus}
    assert callable(WatchedRunLauncher.check_run_worker_health)
    assert isinstance(dg.DefaultRunLauncher.supports_check_run_worker_health, property)
