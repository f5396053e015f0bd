"""The warehouse: one DuckDB file of views over the store's tables, for whoever asks in SQL.

It holds no data, so it is never behind a table that is rewritten, and a new one takes its place by renaming,
so no writer ever locks a reader out. The keys of the partition folders (delivery, classifier, split) are
columns of the views, as text, whether or not the files hold them too; the folder's is the one that counts.

DuckDB opens a file once for its footer and again for its rows. A statement that meets a file just then
replaced fails (its bytes do not fit the footer) and succeeds when asked again, as `query` does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import fsspec
import polars as pl

from catalog.files import LOCAL_PROTOCOLS, absolute, place
from catalog.questions import QUESTIONS
from catalog.tables import TABLES, Table

MAX_ATTEMPTS = 5
# Of the places that the views read.
PROTOCOLS = r"""
SELECT DISTINCT regexp_extract(sql, '[^a-z0-9]([a-z0-9]+)://', 1) FROM duckdb_views() WHERE sql LIKE '%://%'
"""


@dataclass(frozen=True)
class Documents:
    """JSON files of the store, one a row; by default the view has the folder's name and the whole file."""

    files: str
    columns: str = "split(filename, '/')[-2] AS name, json AS description"


DOCUMENTS: dict[str, Documents] = {
    "deliveries": Documents(
        "deliveries/*.json",
        "json->>'key' AS delivery, array_to_string(split(json->>'key', '.')[1:2], '.') AS feed_key, "
        "json->>'feed' AS feed, (json->>'received_at')::TIMESTAMPTZ AS received_at, json->>'sha256' AS sha256, "
        "(json->'part'->>'first_row')::BIGINT AS first_row, (json->'part'->>'num_rows')::BIGINT AS num_rows",
    ),
    "encoders": Documents("encoders/*/encoder.json"),
    "classifiers": Documents("classifiers/*/classifier.json"),
    "similarity_indexes": Documents(
        "similarity_index/*/index.json",
        "split(filename, '/')[-2] AS encoder, json->>'kind' AS kind, (json->>'num_vectors')::BIGINT AS num_vectors, "
        "(json->>'dim')::BIGINT AS dim, (json->>'bytes')::BIGINT AS bytes, "
        "(json->>'recall_at_10')::DOUBLE AS recall_at_10",
    ),
    "champion": Documents(
        "champion/champion.json",
        "json->>'classifier' AS classifier, json->>'split' AS split, json->>'metric' AS metric, "
        "(json->>'value')::DOUBLE AS value, (json->>'trainable_labels')::BIGINT AS trainable_labels, "
        "json->>'sha256' AS sha256, json->>'reason' AS reason, json->>'version' AS version",
    ),
}


def write_warehouse(database: Path, root: str) -> list[str]:
    """Writes the DuckDB file over the store at `root`; returns its views: a table without files has none yet.

    Whoever reads the former file goes on reading it, and the tables in their newest state through it.
    """
    root = absolute(root)
    held = place(root)
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{uuid4().hex}.writing")
    views: list[str] = []
    try:
        with duckdb.connect(temporary) as connection:
            _reach(connection, {held.protocol})
            for name, table in TABLES.items():
                if any(held.glob(table.files)):
                    connection.execute(_table_view(connection, name, table, root))
                    views.append(name)
            for name, documents in DOCUMENTS.items():
                if any(held.glob(documents.files)):
                    connection.execute(_document_view(name, documents, root))
                    views.append(name)
            for name, question in QUESTIONS.items():
                if set(question.reads) <= set(views):
                    connection.execute(f"CREATE VIEW {name} AS {question.sql}")
                    views.append(name)
        temporary.replace(database)
    finally:
        temporary.unlink(missing_ok=True)
    return views


def query(database: Path, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
    """The answer to a question in SQL, with `?` for every parameter. The database is opened read-only."""
    if not database.is_file():
        raise FileNotFoundError(f"no warehouse at {str(database)!r}; materialise the asset warehouse")
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _answer(database, sql, parameters)
        except duckdb.Error as error:
            if isinstance(error, duckdb.ProgrammingError):  # the question is at fault, not the moment
                raise
    return _answer(database, sql, parameters)


def _answer(database: Path, sql: str, parameters: Sequence[object]) -> pl.DataFrame:
    with duckdb.connect(database, read_only=True) as connection:
        remote = connection.execute(PROTOCOLS).fetchall()
        _reach(connection, {protocol for (protocol,) in remote})
        return pl.DataFrame(connection.sql(sql, params=list(parameters)).to_arrow_table())


def _table_view(connection: duckdb.DuckDBPyConnection, name: str, table: Table, root: str) -> str:
    files = _files(root, table.files)
    source = files
    if not _is_uniform(connection, files):  # a delivery of last year may lack a column that this year's has
        source += ", union_by_name = true"  # only then: it reads every footer before the first row
    if table.keys:
        types = ", ".join(f"'{key}': VARCHAR" for key in table.keys)  # a delivery named 001 stays 001
        source += f", hive_partitioning = true, hive_types = {{{types}}}"
    return f"CREATE VIEW {name} AS SELECT * FROM read_parquet({source})"  # noqa: S608


def _is_uniform(connection: duckdb.DuckDBPyConnection, files: str) -> bool:
    """Whether all files have the same columns."""
    schemas = f"SELECT list((name, type)) AS columns FROM parquet_schema({files}) GROUP BY file_name"  # noqa: S608
    counted = connection.execute(f"SELECT count(DISTINCT columns) FROM ({schemas})").fetchone()  # noqa: S608
    return counted == (1,)


def _document_view(name: str, documents: Documents, root: str) -> str:
    source = f"{_files(root, documents.files)}, format = 'unstructured', filename = true"
    return f"CREATE VIEW {name} AS SELECT {documents.columns} FROM read_json_objects({source}) ORDER BY 1"  # noqa: S608


def _files(root: str, files: str) -> str:
    """The files as an SQL literal; a view takes no parameters, and the root may hold quotes and wildcards."""
    plain_root = "".join(f"[{character}]" if character in "*?[" else character for character in root)
    quoted = f"{plain_root.rstrip('/')}/{files}".replace("'", "''")
    return f"'{quoted}'"


def _reach(connection: duckdb.DuckDBPyConnection, protocols: Collection[str]) -> None:
    """Let DuckDB read what lies behind these protocols by the file systems that the store is reached by."""
    for protocol in set(protocols) - set(LOCAL_PROTOCOLS):
        connection.register_filesystem(fsspec.filesystem(protocol, use_listings_cache=False))
