"""Index build: writes the DuckDB file of the catalog index, in a process of its own, whose memory ends with it.

Usage: python -m shelfsight.explorer.index_build, with a JSON object on stdin: the fields of `build`. The file appears
at `target` as a whole, or not at all.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import duckdb

from shelfsight.explorer import index_tables

UNFINISHED = ".writing"


def build(database: str, target: str, stamp: str, business_values: Mapping[str, float], memory_bytes: int) -> None:
    """Writes the index of a warehouse to `target`, which it replaces.

    Args:
        database: the warehouse.
        target: the file of the index.
        stamp: a text that the index records: the state of the files that it is made of.
        business_values: units sold by leaf.
        memory_bytes: that DuckDB may use; more goes to disk, beside the target.
    """
    place = Path(target)
    temporary = place.with_name(f".{uuid4().hex}{UNFINISHED}")
    try:
        with duckdb.connect(temporary) as connection:
            connection.execute(f"SET memory_limit = '{int(memory_bytes)}B'")
            connection.execute(f"ATTACH {_literal(database)} AS catalog (READ_ONLY)")
            _fill(connection, {int(category): units for category, units in business_values.items()})
            connection.execute("CREATE TABLE source AS SELECT ? AS stamp", [stamp])
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _fill(connection: duckdb.DuckDBPyConnection, business_values: Mapping[int, float]) -> None:
    found = "SELECT view_name FROM duckdb_views() WHERE database_name = 'catalog'"
    views = {name for (name,) in connection.execute(found).fetchall()}
    sources = {
        name: f"SELECT * FROM catalog.{name}" if name in views else missing  # noqa: S608 names are this package's
        for name, missing in index_tables.SOURCES.items()
    }
    is_evaluated = set(index_tables.EVALUATED) <= views
    sources["accuracy"] = index_tables.ACCURACY if is_evaluated else index_tables.NO_ACCURACY
    connection.execute(index_tables.CATEGORIES, [list(business_values), list(business_values.values())])
    for table in (
        index_tables.ITEMS,
        index_tables.TREE,
        index_tables.FUNNEL,
        index_tables.COVERAGE,
        index_tables.FACETS,
        index_tables.DOWNLOADS,
        index_tables.EXAMPLES,
    ):
        connection.execute(table.format(**sources))


def _literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


if __name__ == "__main__":
    build(**json.load(sys.stdin))
