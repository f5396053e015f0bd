"""One Ray for all tests that search with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.search.ledger import Ledger


@pytest.fixture(scope="session")
def ray_started() -> Iterator[None]:
    from ml.search.ray_local import local_ray

    with local_ray():
        yield


@pytest.fixture(scope="session", params=["ray_tune", "optuna"])
def searcher(request: pytest.FixtureRequest) -> str:
    """The name of each searcher in turn."""
    if request.param == "ray_tune":
        request.getfixturevalue("ray_started")
    return str(request.param)


@pytest.fixture
def ray_address(searcher: str) -> str | None:
    """The address of Ray for another process that searches; None for searchers without Ray."""
    if searcher != "ray_tune":
        return None
    import ray

    return str(ray.get_runtime_context().gcs_address)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")
