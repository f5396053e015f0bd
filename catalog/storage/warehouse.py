"""The warehouse: one DuckDB file of views over the store's tables, for queries in SQL.

It contains no data, so it is never older than the tables, and a new file replaces it by renaming, so no writer
locks out a reader. The keys of the partition folders (delivery, classifier, split) are text columns of the views,
whether or not the files have these columns too; the folder's value wins.

DuckDB opens a file once for its footer and again for its rows. A statement that reads a file while it is
replaced fails (its bytes do not match the footer) and succeeds on a retry, which `query` does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import fsspec
import polars as pl

from catalog.storage.files import LOCAL_PROTOCOLS, absolute, store_path
from catalog.storage.tables import TABLES, Table
from catalog.storage.views import VIEWS

MAX_ATTEMPTS = 5
# The protocols of the URLs that the views read.
PROTOCOLS = r"""
SELECT DISTINCT regexp_extract(sql, '[^a-z0-9]([a-z0-9]+)://', 1) FROM duckdb_views() WHERE sql LIKE '%://%'
"""
# A download writes a file of images before the outcomes that name it, and removes the former one afterwards.
COMMITTED_IMAGES = """
SELECT * EXCLUDE (filename) FROM read_parquet({source}, filename = true)
WHERE (delivery, parse_filename(filename, true)) IN (SELECT delivery, shard FROM outcomes WHERE shard IS NOT NULL)
"""


@dataclass(frozen=True)
class Documents:
    """A view over JSON files of the store, one row per file; by default with the folder's name and the whole file."""

    files: tuple[str, ...]
    columns: str = "split(filename, '/')[-2] AS name, json::VARCHAR AS description"


DOCUMENTS: dict[str, Documents] = {
    "deliveries": Documents(
        ("deliveries/*.json",),
        "json->>'key' AS delivery, array_to_string(split(json->>'key', '.')[1:2], '.') AS feed_key, "
        "json->>'feed' AS feed, "
        "coalesce(nullif(json->>'ordered_at', ''), json->>'received_at')::TIMESTAMPTZ AS received_at, "
        "json->>'sha256' AS sha256, "
        "(json->'part'->>'first_row')::BIGINT AS first_row, (json->'part'->>'num_rows')::BIGINT AS num_rows",
    ),
    "encoders": Documents(("encoders/*/encoder.json",)),
    "classifiers": Documents(("classifiers/*/classifier.json", "students/*/classifier.json")),
    "similarity_indexes": Documents(
        ("similarity_index/*/index.json",),
        "split(filename, '/')[-2] AS encoder, json->>'kind' AS kind, (json->>'num_vectors')::BIGINT AS num_vectors, "
        "(json->>'dim')::BIGINT AS dim, (json->>'bytes')::BIGINT AS bytes, "
        "(json->>'recall_at_10')::DOUBLE AS recall_at_10",
    ),
    "champion": Documents(
        ("champion/champion.json",),
        "json->>'classifier' AS classifier, json->>'split' AS split, json->>'metric' AS metric, "
        "(json->>'value')::DOUBLE AS value, (json->>'trainable_labels')::BIGINT AS trainable_labels, "
        "json->>'sha256' AS sha256, json->>'decided_on' AS decided_on, json->>'reason' AS reason, "
        "json->>'version' AS version",
    ),
}


def write_warehouse(database: Path, root: str) -> list[str]:
    """Writes the DuckDB file over the store at `root` and returns the names of its views.

    A table without files has no view yet. Readers of the former file continue to read it, and through it the
    newest state of the tables.
    """
    root = absolute(root)
    store = store_path(root)
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{uuid4().hex}.writing")
    views: list[str] = []
    try:
        with duckdb.connect(temporary) as connection:
            _register_filesystems(connection, {store.protocol})
            for name, table in TABLES.items():
                if any(store.glob(table.files)):
                    connection.execute(_table_view(connection, name, table, root))
                    views.append(name)
            for name, documents in DOCUMENTS.items():
                if existing := [files for files in documents.files if any(store.glob(files))]:
                    connection.execute(_document_view(name, documents.columns, existing, root))
                    views.append(name)
            for name, view in VIEWS.items():
                if set(view.reads) <= set(views):
                    connection.execute(f"CREATE VIEW {name} AS {view.sql}")
                    views.append(name)
        temporary.replace(database)
    finally:
        temporary.unlink(missing_ok=True)
    return views


def query(database: Path, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
    """Runs a SQL query, with `?` for every parameter, on the database opened read-only.

    Raises:
        FileNotFoundError: there is no warehouse yet.
        duckdb.Error: the query is wrong, or keeps failing.
    """
    if not database.is_file():
        raise FileNotFoundError(f"no warehouse at {str(database)!r}; materialize the asset warehouse")
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _run(database, sql, parameters)
        except duckdb.Error as error:
            if isinstance(error, duckdb.ProgrammingError):  # the query is wrong, so a retry cannot help
                raise
    return _run(database, sql, parameters)


def _run(database: Path, sql: str, parameters: Sequence[object]) -> pl.DataFrame:
    with duckdb.connect(database, read_only=True) as connection:
        remote = connection.execute(PROTOCOLS).fetchall()
        _register_filesystems(connection, {protocol for (protocol,) in remote})
        return pl.DataFrame(connection.sql(sql, params=list(parameters)).to_arrow_table())


def _table_view(connection: duckdb.DuckDBPyConnection, name: str, table: Table, root: str) -> str:
    files = _files(root, table.files)
    source = files
    if not _is_uniform(connection, files):  # a delivery of last year may lack a column that this year's has
        source += ", union_by_name = true"  # only then: it reads every footer before the first row
    if table.keys:
        types = ", ".join(f"'{key}': VARCHAR" for key in table.keys)  # a delivery named 001 stays 001
        source += f", hive_partitioning = true, hive_types = {{{types}}}"
    if name == "images" and _has_column(connection, "outcomes", "shard"):
        return f"CREATE VIEW {name} AS {COMMITTED_IMAGES.format(source=source)}"
    return f"CREATE VIEW {name} AS SELECT * FROM read_parquet({source})"  # noqa: S608


def _has_column(connection: duckdb.DuckDBPyConnection, view: str, column: str) -> bool:
    """True where there is such a view and it has this column."""
    found = "SELECT count(*) FROM duckdb_columns() WHERE table_name = ? AND column_name = ?"
    return connection.execute(found, [view, column]).fetchone() == (1,)


def _is_uniform(connection: duckdb.DuckDBPyConnection, files: str) -> bool:
    """True where all files have the same columns."""
    schemas = f"SELECT list((name, type)) AS columns FROM parquet_schema({files}) GROUP BY file_name"  # noqa: S608
    counted = connection.execute(f"SELECT count(DISTINCT columns) FROM ({schemas})").fetchone()  # noqa: S608
    return counted == (1,)


def _document_view(name: str, columns: str, patterns: Sequence[str], root: str) -> str:
    files = ", ".join(_files(root, pattern) for pattern in patterns)
    source = f"[{files}], format = 'unstructured', filename = true"
    return f"CREATE VIEW {name} AS SELECT {columns} FROM read_json_objects({source}) ORDER BY 1"  # noqa: S608


def _files(root: str, files: str) -> str:
    """Returns the files as a SQL literal: a view takes no parameters, and the root may contain quotes and wildcards."""
    plain_root = "".join(f"[{character}]" if character in "*?[" else character for character in root)
    quoted = f"{plain_root.rstrip('/')}/{files}".replace("'", "''")
    return f"'{quoted}'"


def _register_filesystems(connection: duckdb.DuckDBPyConnection, protocols: Collection[str]) -> None:
    """Registers the fsspec file systems of these protocols, so that DuckDB reads a remote store as Python does."""
    for protocol in set(protocols) - set(LOCAL_PROTOCOLS):
        connection.register_filesystem(fsspec.filesystem(protocol, use_listings_cache=False))
