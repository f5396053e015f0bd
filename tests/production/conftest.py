"""One PostgreSQL for the tests of a file, and with it what production sets in the environment."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.production.postgres import Postgres, serving


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with serving() as server:
        server.query("CREATE DATABASE dagster")
        server.query((REPOSITORY / "deploy" / "mlflow.sql").read_text())
        yield server


@pytest.fixture
def home(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with production's dagster.yaml, and the variables that it and psycopg2 read."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(REPOSITORY / "deploy" / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("SHELFSIGHT_POSTGRES_URL", postgres.url("dagster"))
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    return home
