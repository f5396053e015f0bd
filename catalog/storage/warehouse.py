"""The warehouse: one DuckDB file of views over the store's tables, for queries in SQL.

It contains no data, so it is never older than the tables, and a new file replaces it by renaming, so no writer
locks out a reader. The keys of the partition folders (delivery, classifier, split) are text columns of the views,
whether or not the files have these columns too; the folder's value wins.

`catalog.storage.read_only` runs queries of people on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import duckdb

from catalog.storage.documents import DOCUMENTS
from catalog.storage.files import absolute, store_path
from catalog.storage.read_only import ROOT_MACRO, escaped_pattern, literal, query, register_filesystems
from catalog.storage.tables import TABLES, Table
from catalog.storage.views import VIEWS

__all__ = ["query", "write_warehouse"]

# A download writes a file of images before the outcomes that name it, and removes the former one afterwards.
COMMITTED_IMAGES = """
SELECT * EXCLUDE (filename) FROM read_parquet({source}, filename = true)
WHERE (delivery, parse_filename(filename, true)) IN (SELECT delivery, shard FROM outcomes WHERE shard IS NOT NULL)
"""


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
            register_filesystems(connection, {store.protocol})
            connection.execute(f"CREATE MACRO {ROOT_MACRO}() AS {literal(root)}")
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
    return literal(f"{escaped_pattern(root).rstrip('/')}/{files}")
