"""Descriptions of tables and views: complete, and true of the views' SQL."""

import polars as pl
import pytest

from catalog.schema.columns import columns
from catalog.schema.empty_warehouse import column_types, empty_warehouse
from catalog.schema.markdown import tables_markdown
from catalog.schema.tables import DOCUMENT_DESCRIPTIONS, TABLE_DESCRIPTIONS
from catalog.schema.views import VIEW_DESCRIPTIONS
from catalog.storage.documents import DOCUMENTS
from catalog.storage.tables import TABLES
from catalog.storage.views import VIEWS


def test_every_table_document_and_view_is_described_and_nothing_else() -> None:
    assert TABLE_DESCRIPTIONS.keys() == TABLES.keys()
    assert DOCUMENT_DESCRIPTIONS.keys() == DOCUMENTS.keys()
    assert VIEW_DESCRIPTIONS.keys() == VIEWS.keys()


def test_every_view_returns_the_described_columns() -> None:
    with empty_warehouse() as connection:
        for name, view in VIEW_DESCRIPTIONS.items():
            assert list(column_types(connection, name)) == list(view.columns), name


def test_descriptions_are_sentences_that_open_with_no_riddle() -> None:
    tables = {**TABLE_DESCRIPTIONS, **DOCUMENT_DESCRIPTIONS}
    sentences = [each.description for each in (*tables.values(), *VIEW_DESCRIPTIONS.values())]
    sentences += [column.description for table in tables.values() for column in table.columns.values()]
    sentences += [meaning for view in VIEW_DESCRIPTIONS.values() for meaning in view.columns.values()]
    for sentence in sentences:
        assert sentence.endswith("."), sentence
        assert sentence.split()[0] not in {"What", "Whether", "Whoever", "How", "Where"}, sentence


def test_the_page_has_a_section_for_each_and_a_row_for_every_column() -> None:
    page = tables_markdown()
    for name, table in {**TABLE_DESCRIPTIONS, **DOCUMENT_DESCRIPTIONS}.items():
        section = page.partition(f"### `{name}`\n")[2].partition("\n###")[0]
        assert table.description in section
        for column, described in table.columns.items():
            assert f"| `{column}` |" in section
            assert described.description.replace("|", "\\|") in section
    for name, view in VIEW_DESCRIPTIONS.items():
        section = page.partition(f"### `{name}`\n")[2].partition("\n###")[0]
        assert section.count("\n| `") == len(view.columns)
    assert "| `share` | `DOUBLE` | Share of the partner's products. |" in page


def test_a_column_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match="no description or no such column: b, c"):
        columns({"a": pl.String, "b": pl.Int64}, a="First.", c="Third.")
