"""The explorer over the tiny catalog and over an empty store, by Starlette's client."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from resources.settings import Settings
from shelfsight.explorer.application import create_application
from tests.tiny_catalog import TinyCatalog

ADDRESS = "http://127.0.0.1:3002"


def client_of(settings: Settings) -> TestClient:
    """A browser without pages; faults of the program are raised."""
    return TestClient(create_application(settings), base_url=ADDRESS, follow_redirects=False)


@pytest.fixture(scope="session")
def explorer(tiny_catalog: TinyCatalog) -> Iterator[TestClient]:
    """The explorer over the tiny catalog, for tests that only read."""
    with client_of(Settings.read(store=str(tiny_catalog.root))) as client:
        yield client


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[TestClient]:
    """The explorer over a store without anything."""
    with client_of(Settings.read(store=str(tmp_path / "store"))) as client:
        yield client
