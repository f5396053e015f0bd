"""Statements that people write: only one query, over the views of the warehouse alone.

DuckDB's own parser reads the statement, and nothing is executed for it. This comes before the restrictions of the
connection (`read_only_connection`), which also allow what no query needs: writing into the folders of the tables, and
reading whole files where a view shows some columns of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

MAX_STATEMENT_CHARACTERS = 1_000_000
# Functions that return rows of their arguments, or names of tables and columns. Those that are missing read files, run
# SQL that is hidden in a text, or change the state of the database.
TABLE_FUNCTIONS = frozenset(
    {
        *("range", "generate_series", "unnest", "json_each", "json_tree"),
        *("duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_types", "duckdb_functions", "duckdb_keywords"),
        *("pragma_table_info", "pragma_show", "pragma_version"),
    }
)
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "STATEMENT_NODE"})
_FILE_CHARACTERS = re.compile(r"[./\\:*?\[]")  # of paths, URLs and patterns, which DuckDB reads like tables
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^()]*\)\s*)?", re.IGNORECASE)
_READ_ONLY = (
    "the warehouse is read-only: write one query, such as SELECT, FROM, SHOW TABLES, DESCRIBE, SUMMARIZE or EXPLAIN"
)


class StatementRefusedError(ValueError):
    """A statement that is not one query over the views; the message names the reason and the way out."""


def require_query(sql: str) -> None:
    """Returns if the text is one query that reads views, and nothing else.

    Raises:
        StatementRefusedError: it is no query, several ones, or a query that reads a file.
        duckdb.ParserException: it is no SQL.
    """
    if len(sql) > MAX_STATEMENT_CHARACTERS:
        raise StatementRefusedError(
            f"the statement has {len(sql):,} characters; at most {MAX_STATEMENT_CHARACTERS:,} are allowed"
        )
    if "\0" in sql:
        raise StatementRefusedError("the statement contains a null character; remove it")
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as parser:
        statements = parser.extract_statements(sql)
        if len(statements) != 1:
            raise StatementRefusedError(f"{_READ_ONLY}; this text has {len(statements)} statements")
        if statements[0].type == duckdb.StatementType.EXPLAIN:
            sql = _EXPLAIN.sub("", sql, count=1)
            explained = parser.extract_statements(sql)
            if len(explained) != 1 or explained[0].type == duckdb.StatementType.EXPLAIN:
                raise StatementRefusedError(f"{_READ_ONLY}; EXPLAIN comes first, and once")
            statements = explained
        kind = statements[0].type
        if kind == duckdb.StatementType.MULTI:
            raise StatementRefusedError(
                f"{_READ_ONLY}; PIVOT needs its values: FROM table PIVOT (sum(x) FOR column IN ('a', 'b'))"
            )
        if kind != duckdb.StatementType.SELECT:
            raise StatementRefusedError(f"{_READ_ONLY}; this is {kind.name}")
        tree = json.loads(parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0])
    if tree["error"]:
        raise StatementRefusedError(f"{_READ_ONLY}; this one cannot be checked: {tree.get('error_message')}")
    for node in _nodes(tree["statements"]):
        _require_reading(node)


def _require_reading(node: dict[str, Any]) -> None:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _QUERY_NODES:
        raise StatementRefusedError(f"{_READ_ONLY}; this one contains {kind.removesuffix('_NODE')}")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", ""))
        if name.lower() not in TABLE_FUNCTIONS:
            raise StatementRefusedError(
                f"a query cannot call {name!r}: it reads the views of the warehouse, which SHOW TABLES lists, and "
                f"calls {', '.join(sorted(TABLE_FUNCTIONS))}"
            )
    for key in ("table_name", "schema_name", "catalog_name"):
        name = str(node.get(key) or "")
        if kind == "BASE_TABLE" and _FILE_CHARACTERS.search(name):
            raise StatementRefusedError(
                f"a query cannot read {name!r}: it reads the views of the warehouse, which SHOW TABLES lists"
            )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yields every object of a JSON document; without recursion, because a statement may be nested deeply."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
