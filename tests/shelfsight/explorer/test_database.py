"""The pages' connection can neither write nor reach a file outside the store, and sees a new warehouse at once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from catalog.storage.read_only import QueryLimitError, QueryLimits
from catalog.storage.statements import StatementRefusedError
from catalog.storage.warehouse import write_warehouse
from resources.store import Store
from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import MissingTableError

LIMITS = QueryLimits(timeout_s=5, memory_bytes=256 << 20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with one table."""
    Store(root=str(tmp_path)).write(pl.DataFrame({"category_id": [1], "path": ["A"]}), "taxonomy")
    write_warehouse(tmp_path / "catalog.duckdb", str(tmp_path))
    return tmp_path


@pytest.fixture
def database(root: Path) -> Iterator[Database]:
    made = Database(root / "catalog.duckdb", LIMITS)
    yield made
    made.close()


def test_rows_are_those_of_the_views_with_parameters(database: Database) -> None:
    assert database.rows("SELECT path FROM taxonomy WHERE category_id = ?", [1]) == [{"path": "A"}]
    assert database.row("SELECT path FROM taxonomy WHERE path = ?", ["' OR true --"]) is None
    assert database.has("taxonomy")
    assert not database.has("taxonomy", "products")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '/tmp/explorer.csv'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "CREATE TABLE t AS SELECT 1",
        "ATTACH '/tmp/explorer.duckdb'",
        "SET memory_limit = '9GB'",
        "SELECT 1; SELECT 2",
    ],
)
def test_a_statement_that_is_no_query_of_views_is_refused(sql: str, database: Database) -> None:
    with pytest.raises((StatementRefusedError, duckdb.Error)):
        database.rows(sql)
    assert not Path("/tmp/explorer.csv").exists()  # noqa: S108


def test_the_connection_itself_reaches_no_other_file(database: Database) -> None:
    with database._borrowed() as opened, opened.cursor() as cursor:
        for sql in ("SELECT * FROM read_text('/etc/hostname')", "COPY (SELECT 1) TO '/tmp/explorer.csv'"):
            with pytest.raises(duckdb.PermissionException):
                cursor.execute(sql)
        with pytest.raises(duckdb.Error):
            cursor.execute("SET enable_external_access = true")


def test_a_query_ends_at_its_time(root: Path) -> None:
    database = Database(root / "catalog.duckdb", QueryLimits(timeout_s=0.3, memory_bytes=256 << 20))
    with pytest.raises(QueryLimitError, match="stopped after"):
        database.rows("SELECT count(*) FROM range(100000) AS a(x), range(100000) AS b(y) WHERE x * y % 7 = 3")
    database.close()


def test_a_new_warehouse_is_seen_and_a_missing_view_named(root: Path, database: Database) -> None:
    with pytest.raises(MissingTableError, match="the store has no deliveries yet"):
        database.rows("SELECT * FROM deliveries")
    (root / "deliveries").mkdir()
    (root / "deliveries" / "a.json").write_text('{"key": "a.b", "received_at": "2026-01-01T00:00:00+00:00"}')
    write_warehouse(root / "catalog.duckdb", str(root))
    assert [each["delivery"] for each in database.rows("SELECT delivery FROM deliveries")] == ["a.b"]


def test_without_a_warehouse_there_are_no_views(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.duckdb", LIMITS)
    assert database.views == frozenset()
    with pytest.raises(MissingTableError):
        database.rows("SELECT 1 AS x")


def test_many_threads_read_while_the_warehouse_is_replaced(root: Path, database: Database) -> None:
    problems: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(15):
                assert database.rows("SELECT count(*) AS num FROM taxonomy") == [{"num": 1}]
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        write_warehouse(root / "catalog.duckdb", str(root))
    for thread in threads:
        thread.join()
    assert problems == []
