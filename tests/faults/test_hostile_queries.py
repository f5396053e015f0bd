"""Hostile queries: what SQL of a person could write, read or use up beside the views of the warehouse."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import polars as pl
import pytest
from upath import UPath

from catalog.storage.bounded_query import bounded_query
from catalog.storage.files import write_parquet
from catalog.storage.read_only import QueryLimitError, QueryLimits, query, read_only_connection
from catalog.storage.statements import MAX_STATEMENT_CHARACTERS, StatementRefusedError, require_query
from catalog.storage.warehouse import write_warehouse

SECRET = "the-password-of-the-shop"  # noqa: S105 a text to look for
# {store} is the store, {out} a folder beside it; both are quoted as in SQL.
WRITES = {
    "copy to a file": "COPY (SELECT 1) TO '{out}/written.csv'",
    "copy into a table": "COPY (SELECT 1 AS product_id) TO '{store}/products/delivery=9/data.parquet' (FORMAT parquet)",
    "copy to a program": "COPY (SELECT 1) TO '/dev/stdout'",
    "copy from": "COPY products FROM '{store}/secret.csv'",
    "copy database": "COPY FROM DATABASE catalog TO memory",
    "export": "EXPORT DATABASE '{out}/dump'",
    "import": "IMPORT DATABASE '{out}'",
    "attach": "ATTACH '{out}/written.duckdb' AS other",
    "attach in memory": "ATTACH ':memory:' AS other",
    "detach": "DETACH catalog",
    "use": "USE memory",
    "create table": "CREATE TABLE memory.main.mine AS SELECT 1",
    "create temporary table": "CREATE TEMP TABLE mine AS SELECT 1",
    "create view": "CREATE OR REPLACE VIEW products AS SELECT 1",
    "create macro": "CREATE MACRO memory.main.leak() AS TABLE FROM read_text('{store}/secret.csv')",
    "create secret": "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "drop": "DROP VIEW products",
    "alter": "ALTER VIEW products RENAME TO other",
    "insert": "INSERT INTO products SELECT * FROM products",
    "insert in a WITH": "WITH gone AS (DELETE FROM products RETURNING *) SELECT * FROM gone",
    "update": "UPDATE products SET title = 'x'",
    "set": "SET memory_limit = '100GB'",
    "set the search path": "SET search_path = 'memory'",
    "reset": "RESET lock_configuration",
    "set a variable": "SET VARIABLE x = (SELECT content FROM read_text('{store}/secret.csv'))",
    "pragma": "PRAGMA enable_profiling",
    "pragma of a file": "PRAGMA profiling_output = '{out}/written.json'",
    "install": "INSTALL httpfs",
    "load": "LOAD '{out}/evil.duckdb_extension'",
    "call": "CALL enable_logging(storage_path := '{out}')",
    "checkpoint": "CHECKPOINT",
    "vacuum": "VACUUM",
    "begin": "BEGIN TRANSACTION",
    "prepare": "PREPARE p AS COPY (SELECT 1) TO '{out}/written.csv'",
    "two statements": "SELECT 1; COPY (SELECT 1) TO '{out}/written.csv'",
    "hidden in a comment": "/* SELECT 1 */ COPY (SELECT 1) TO '{out}/written.csv' -- SELECT",
    "explained": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}/written.csv'",
    "explained after a comment": "EXPLAIN /* x */ ANALYZE COPY (SELECT 1) TO '{out}/written.csv'",
    "explained twice": "EXPLAIN EXPLAIN SELECT 1",
    "no statement": "-- nothing",
    "a null character": "SELECT 1\0; DROP VIEW products",
}
READS = {
    "read_text": "FROM read_text('{out}/secret.csv')",
    "read_text of the system": "FROM read_text('/etc/hostname')",
    "read_blob": "FROM read_blob('{out}/secret.csv')",
    "read_csv": "FROM read_csv('{out}/secret.csv', header = false)",
    "read_json": "FROM read_json_objects('{out}/*.json')",
    "read_parquet": "FROM read_parquet('{out}/secret.parquet')",
    "parquet_scan": "FROM parquet_scan('{out}/secret.parquet')",
    "parquet_metadata": "FROM parquet_metadata('{out}/secret.parquet')",
    "parquet_kv_metadata": "FROM parquet_kv_metadata('{out}/secret.parquet')",
    "sniff_csv": "FROM sniff_csv('{out}/secret.csv')",
    "glob": "FROM glob('{out}/*')",
    "a name in capitals and quotes": "FROM system.main.\"READ_TEXT\"('{out}/secret.csv')",
    "a file named like a table": "FROM '{out}/secret.csv'",
    "a file in a pattern": "FROM '{out}/*.parquet'",
    "a described file": "DESCRIBE '{out}/secret.parquet'",
    "a summarized file": "SUMMARIZE FROM read_csv('{out}/secret.csv', header = false)",
    "TABLE": "TABLE '{out}/secret.parquet'",
    "a scalar subquery": "SELECT (SELECT content FROM read_text('{out}/secret.csv'))",
    "a lateral join": "FROM range(1) r, LATERAL (FROM read_text('{out}/secret.csv'))",
    "a WITH": "WITH leak AS MATERIALIZED (FROM read_text('{out}/secret.csv')) FROM leak",
    "a recursive WITH": "WITH RECURSIVE t AS (SELECT content FROM read_text('{out}/secret.csv') UNION FROM t) FROM t",
    "a union": "SELECT 'x' UNION ALL SELECT content FROM read_text('{out}/secret.csv')",
    "an EXISTS": "SELECT EXISTS (FROM read_text('{out}/secret.csv') WHERE starts_with(content, 't'))",
    "SQL in a text": "FROM query('FROM read_text(''{out}/secret.csv'')')",
    "a table in a text": "FROM query_table('{out}/secret.csv')",
    "a serialized query": "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''/etc/hostname'')'))",
    "explained": "EXPLAIN ANALYZE FROM read_text('{out}/secret.csv')",
    "the store's other files": "FROM read_text('{store}/secret.csv')",
    "a whole record": "FROM read_text('{store}/deliveries/*.json')",
    "dots": "FROM read_text('{store}/products/../secret.csv')",
    "a link in a table": "FROM read_text('{store}/products/link.csv')",
    "a linked folder in a table": "FROM read_text('{store}/products/outside/secret.csv')",
    "a file URL": "FROM read_text('file://{out}/secret.csv')",
    "the network": "FROM 'http://127.0.0.1:9/secret.parquet'",
    "a bucket": "FROM read_parquet('s3://bucket/secret.parquet')",
    "a hub": "FROM 'hf://datasets/x/y/data.parquet'",
    "the process": "FROM read_text('/proc/self/environ')",
    "the environment": "SELECT getenv('SHOP_PASSWORD')",
    "a variable of Python": "FROM secret_frame",
    "settings": "FROM duckdb_settings()",
    "secrets": "FROM duckdb_secrets()",
    "another database": "FROM sqlite_scan('{out}/secret.db', 't')",
}
GREEDY = {
    "an endless product": "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
    "an endless recursion": "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "a long list": "SELECT list(range) FROM range(1000000000)",
    "a long result": "SELECT repeat('x', 1000) FROM range(100000000)",
    "many groups": "SELECT count(*) FROM (SELECT DISTINCT range FROM range(1000000000))",
}
HARMLESS = {
    "SELECT count(*) FROM products": 1,
    "FROM products": 1,
    "SHOW TABLES": 3,
    "DESCRIBE products": 5,
    "SUMMARIZE products": 5,
    "EXPLAIN SELECT 1": 1,
    "EXPLAIN ANALYZE FROM products": 1,
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t": 3,
    "FROM products PIVOT (count(*) FOR title IN ('Shirt'))": 1,
    "SELECT unnest([1, 2]) UNION ALL SELECT range FROM range(2)": 4,
    "FROM information_schema.tables": 3,
    "SELECT product_id FROM products; ": 1,
    "SELECT 'read_text(''/etc/hostname'')' AS harmless": 1,
    "FROM deliveries": 1,
}
SMALL = QueryLimits(timeout_s=0.3, memory_bytes=64 << 20, num_threads=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a store in it, whose name SQL and patterns would trip over, and secrets in and beside the store."""
    folder = tmp_path_factory.mktemp("queries") / "o'clock [1] *"
    store = folder / "store"
    columns = {"product_id": "acme:1", "title": "Shirt", "row": 0, "removed_at": None}
    write_parquet(pl.DataFrame([columns]), UPath(store / "products/delivery=1/data.parquet"))
    (store / "deliveries").mkdir()
    (store / "deliveries/1.json").write_text(f'{{"key": "acme.spring.1", "feed": "x", "password": "{SECRET}"}}')
    for place in (folder, store):
        (place / "secret.csv").write_text(SECRET)
        (place / "secret.json").write_text(f'{{"password": "{SECRET}"}}')
        pl.DataFrame({"password": [SECRET]}).write_parquet(place / "secret.parquet")
    (store / "products/link.csv").symlink_to(folder / "secret.csv")
    (store / "products/outside").symlink_to(folder)
    write_warehouse(store / "catalog.duckdb", str(store))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_PASSWORD", SECRET)
        yield folder


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if "outside" not in path.parts)


def filled(sql: str, place: Path) -> str:
    quoted = str(place).replace("'", "''")
    return sql.replace("{store}", f"{quoted}/store").replace("{out}", quoted)


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_a_statement_that_is_no_query_is_refused_and_writes_nothing(sql: str, place: Path) -> None:
    before = files(place)
    with pytest.raises((StatementRefusedError, duckdb.ParserException), match=r"read-only|null character|Parser Error"):
        bounded_query(place / "store/catalog.duckdb", filled(sql, place))
    assert files(place) == before


@pytest.mark.parametrize("sql", READS.values(), ids=READS)
def test_a_query_reads_nothing_but_the_views(sql: str, place: Path) -> None:
    secret_frame = pl.DataFrame({"password": [SECRET]})
    with pytest.raises((StatementRefusedError, duckdb.CatalogException)):
        query(place / "store/catalog.duckdb", filled(sql, place))
    assert len(secret_frame) == 1


@pytest.mark.parametrize("sql", [sql for sql in READS.values() if "{store}/deliveries" not in sql])
def test_the_connection_alone_reads_no_secret_either(sql: str, place: Path) -> None:
    secret_frame = pl.DataFrame({"password": [SECRET]})
    rows: object = None
    with read_only_connection(place / "store/catalog.duckdb") as connection, suppress(duckdb.Error):
        rows = connection.execute(filled(sql, place)).fetchall()
    assert SECRET not in str(rows)
    assert len(secret_frame) == 1


def test_a_table_that_is_a_link_to_a_file_outside_is_not_read(place: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pl.DataFrame({"product_id": [SECRET]}).write_parquet(tmp_path / "secret.parquet")
    (store / "products/delivery=1").mkdir(parents=True)
    (store / "products/delivery=1/data.parquet").symlink_to(tmp_path / "secret.parquet")
    write_warehouse(store / "catalog.duckdb", str(store))
    with pytest.raises(duckdb.PermissionException, match="Cannot access"):
        query(store / "catalog.duckdb", "FROM products")


def test_a_table_or_a_store_on_another_disk_is_read_through_its_link(tmp_path: Path) -> None:
    disk, store = tmp_path / "disk", tmp_path / "real"
    rows = pl.DataFrame({"product_id": ["acme:1"]})
    write_parquet(rows, UPath(disk / "delivery=1/data.parquet"))
    store.mkdir()
    (store / "products").symlink_to(disk)
    (tmp_path / "store").symlink_to(store)
    write_warehouse(tmp_path / "store/catalog.duckdb", str(tmp_path / "store"))
    assert len(query(tmp_path / "store/catalog.duckdb", "FROM products")) == 1


@pytest.mark.parametrize("sql", GREEDY.values(), ids=GREEDY)
def test_a_greedy_query_ends_at_its_limits(sql: str, place: Path) -> None:
    with pytest.raises(QueryLimitError, match=r"stopped after 0.3 s|more than 0.0625 GiB of memory"):
        query(place / "store/catalog.duckdb", sql, limits=SMALL)
    assert not [path for path in files(place) if path.suffix in {".tmp", ".wal"}]


def test_one_value_beyond_all_limits_ends_the_process_of_the_query_alone(place: Path) -> None:
    with pytest.raises(QueryLimitError, match=r"query_memory_gib|query_timeout_s"):
        bounded_query(place / "store/catalog.duckdb", "SELECT length(repeat('x', 4000000000))", SMALL)


def test_a_statement_has_a_length_and_a_depth() -> None:
    with pytest.raises(StatementRefusedError, match="characters"):
        require_query("SELECT " + "1" * MAX_STATEMENT_CHARACTERS)
    with pytest.raises(duckdb.ParserException, match="depth"):
        require_query("SELECT " + "(" * 5_000 + "1" + ")" * 5_000)


@pytest.mark.parametrize(("sql", "num_rows"), HARMLESS.items(), ids=HARMLESS)
def test_a_query_over_the_views_runs(sql: str, num_rows: int, place: Path) -> None:
    assert len(query(place / "store/catalog.duckdb", sql)) == num_rows


def test_a_process_of_its_own_returns_the_same_rows(place: Path) -> None:
    database = place / "store/catalog.duckdb"
    assert bounded_query(database, "FROM deliveries").equals(query(database, "FROM deliveries"))
    with pytest.raises(ValueError, match="nowhere"):
        bounded_query(database, "FROM nowhere")


def test_other_connections_keep_their_configuration(place: Path) -> None:
    database = place / "store/catalog.duckdb"
    with duckdb.connect(database, read_only=True) as other:
        assert len(query(database, "FROM products")) == 1
        other.execute("SET threads = 2")
        assert other.execute("SELECT count(*) FROM products").fetchall() == [(1,)]
