"""Tables and views as a Markdown page, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catalog.schema.columns import TableDescription
from catalog.schema.empty_warehouse import column_types, empty_warehouse
from catalog.schema.tables import DOCUMENT_DESCRIPTIONS, TABLE_DESCRIPTIONS
from catalog.schema.views import VIEW_DESCRIPTIONS
from catalog.storage.documents import DOCUMENTS
from catalog.storage.tables import TABLES
from catalog.storage.views import VIEWS


def tables_markdown() -> str:
    """Returns a page with a section for every table, document and view, each with its columns, types and meanings.

    Types are DuckDB's, as a query sees them.
    """
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    with empty_warehouse() as connection:
        yield "## Tables"
        for name, description in TABLE_DESCRIPTIONS.items():
            keys = TABLES[name].keys
            partitioned = f" One partition for each {' and '.join(keys)}." if keys else ""
            yield from _section(name, f"{description.description}{partitioned} Files: `{TABLES[name].files}`.")
            yield from _rows(_meanings(description, keys), column_types(connection, name))
        yield from ("", "## Records")
        for name, description in DOCUMENT_DESCRIPTIONS.items():
            files = ", ".join(f"`{pattern}`" for pattern in DOCUMENTS[name].files)
            yield from _section(name, f"{description.description} Files: {files}.")
            yield from _rows(_meanings(description), column_types(connection, name))
        yield from ("", "## Views")
        for name, view in VIEW_DESCRIPTIONS.items():
            reads = ", ".join(f"`{table}`" for table in VIEWS[name].reads)
            yield from _section(name, f"{view.description} Reads {reads}.")
            yield from _rows(view.columns, column_types(connection, name))


def _meanings(table: TableDescription, keys: tuple[str, ...] = ()) -> dict[str, str]:
    """The meaning of every column; the partition keys come last unless the files have them too."""
    own = {name: column.description for name, column in table.columns.items()}
    return {**own, **{key: "Partition key." for key in keys if key not in own}}


def _section(name: str, description: str) -> Iterator[str]:
    yield from ("", f"### `{name}`", "", description, "", "| column | type | meaning |", "| --- | --- | --- |")


def _rows(meanings: Mapping[str, str], types: Mapping[str, str]) -> Iterator[str]:
    for column, meaning in meanings.items():
        yield f"| `{column}` | `{types[column]}` | {meaning.replace('|', chr(92) + '|')} |"
