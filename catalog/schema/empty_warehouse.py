"""An in-memory warehouse over empty tables, from which the types of views follow without a store."""

from __future__ import annotations

import duckdb
import polars as pl

from catalog.schema.tables import DOCUMENT_DESCRIPTIONS, TABLE_DESCRIPTIONS
from catalog.storage.tables import TABLES
from catalog.storage.views import VIEWS


def empty_warehouse() -> duckdb.DuckDBPyConnection:
    """Creates every described table, document and view without rows; the caller closes the connection."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    for name, description in {**TABLE_DESCRIPTIONS, **DOCUMENT_DESCRIPTIONS}.items():
        keys = {key: pl.String() for key in (TABLES[name].keys if name in TABLES else ())}
        rows = pl.DataFrame(schema={**description.schema, **keys}).to_arrow()  # noqa: F841 DuckDB reads it by its name
        connection.execute(f"CREATE TABLE {name} AS FROM rows")
    for name, view in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {view.sql}")
    return connection


def column_types(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """Returns DuckDB's type of every column of a table or view."""
    return {column: dtype for column, dtype, *_ in connection.execute(f"DESCRIBE {name}").fetchall()}
