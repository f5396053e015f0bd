"""Orders the tests so that two workers stay busy, and keeps together what shares services.

A worker of pytest-xdist takes the next group of this order as soon as it is done with one: what is built for all comes
first, what takes long before what does not. A group is a file, or the files that share a Spark session, a PostgreSQL,
a web server or a fork server.
"""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

BUILDS_THE_CATALOG = "tests/catalog_assets/test_flow.py"
GROUPS = {
    "tests/faults/test_interrupted_": "kills of runs",
    "tests/faults/test_crash_consistency": "kills of runs",
    "tests/resources/spark/": "spark",
    "tests/resources/mlflow/test_serving.py": "spark",
    "tests/catalog_assets/ingestion/test_engine.py": "spark",
    "tests/production/test_postgres.py": "postgres",
    "tests/production/test_services.py": "postgres",
    "tests/end_to_end/web_server/": "web server",
}


def group_of(nodeid: str) -> str:
    """The group of a test."""
    file = nodeid.partition("::")[0]
    return next((group for prefix, group in GROUPS.items() if file.startswith(prefix)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts whole groups, and leaves the order of the tests within each."""
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[group_of(item.nodeid)].append(item)
    items[:] = [item for name in sorted(groups, key=lambda name: _turn(name, groups[name])) for item in groups[name]]


def _turn(name: str, items: list[pytest.Item]) -> int:
    """One worker builds the tiny catalog while the other one runs long files that do without it."""
    uses_catalog = any("tiny_catalog" in getattr(item, "fixturenames", ()) for item in items)
    is_long = any(item.get_closest_marker("end_to_end") for item in items)
    if name == BUILDS_THE_CATALOG and uses_catalog:
        return 0
    if is_long:
        return 2 if uses_catalog else 1
    return 3 if uses_catalog else 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadFileScheduling | None":
    """`--dist loadfile`, by groups."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class GroupScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return GroupScheduling(config, log)
