"""Spreadsheets of Excel and LibreOffice, as people keep them."""

import datetime
import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from tests.faults.dirty.feed_case import FeedCase

LINK = "https://shop.example/a.jpg"
HEADER = ("id", "title", "image_link", "google_product_category")
ROWS = (HEADER, (4711.0, "Red dress", LINK, 2271), ("B-2", "Grüner Hut", LINK, None))
PRODUCTS = {"4711": {"title": "Red dress", "category_id": 2271}, "B-2": {"title": "Grüner Hut"}}


def xlsx(fill: Callable[[Any], None]) -> bytes:
    """A workbook of openpyxl's, filled by a function."""
    import openpyxl

    book = openpyxl.Workbook()
    fill(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _plain(book: Any, rows: Sequence[Sequence[Any]] = ROWS) -> None:
    for row in rows:
        book.active.append(list(row))


def _second_sheet(book: Any) -> None:
    book.active.title = "Notes"
    book.active.append(["Dear colleagues,", "the products are on the next sheet"])
    sheet = book.create_sheet("Products")
    for row in ROWS:
        sheet.append(list(row))


def _title_first(book: Any) -> None:
    book.active.merge_cells("A1:D1")
    book.active["A1"] = "Products of spring"
    book.active.append([])
    book.active.append([None, *HEADER])
    for row in ROWS[1:]:
        book.active.append([None, *row])


def _other_values(book: Any) -> None:
    book.active.append([*HEADER, "gtin", "price", "color", "size"])
    date = datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC).replace(tzinfo=None)
    book.active.append([4006381333931, True, LINK, 2271.0, 4006381333931.0, 12.5, date, "#N/A"])


def _notes_beside(book: Any) -> None:
    _plain(book)
    book.active["H2"] = "check the color!"
    book.active["H9"] = "a note far below"


def _far_cell(book: Any) -> None:
    _plain(book)
    book.active["XFD1048576"] = "x"


def _ods() -> bytes:
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    book = OpenDocumentSpreadsheet()
    table = Table(name="Produkte")
    for row in ROWS:
        line = TableRow()
        for value in row:
            is_number = isinstance(value, int | float)
            cell = TableCell(valuetype="float", value=str(value)) if is_number else TableCell(valuetype="string")
            cell.addElement(P(text="" if value is None else str(value)))
            line.addElement(cell)
        table.addElement(line)
    book.spreadsheet.addElement(table)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _bomb() -> bytes:
    packed = bytearray(xlsx(_plain))
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = (3_000_000_000).to_bytes(4, "little")
    return bytes(packed)


def _without_sheets() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook")
    return packed.getvalue()


def _read(name: str, source: str, file: str, content: Callable[[], bytes], **products: Any) -> FeedCase:
    return FeedCase(name=name, source=source, file=file, content=content, products=products or PRODUCTS)


CASES = (
    _read("xlsx", "Excel", "spring.xlsx", lambda: xlsx(_plain)),
    _read("ods", "LibreOffice", "spring.ods", _ods),
    _read("xlsx-named-csv", "a file renamed for an upload form", "spring.csv", lambda: xlsx(_plain)),
    _read("xlsx-products-on-the-second-sheet", "a workbook with a cover", "spring.xlsx", lambda: xlsx(_second_sheet)),
    _read("xlsx-title-blank-row-and-column", "a designed workbook", "spring.xlsx", lambda: xlsx(_title_first)),
    _read("xlsx-notes-beside-the-table", "a workbook that people edit", "spring.xlsx", lambda: xlsx(_notes_beside)),
    FeedCase(
        name="xlsx-numbers-dates-errors",
        source="Excel's own types",
        file="spring.xlsx",
        content=lambda: xlsx(_other_values),
        products={"4006381333931": {"title": "true", "gtin": "4006381333931", "color": "2024-05-01", "size": None}},
        rejected={"bad_price": 1},
    ),
    FeedCase(
        name="xlsx-cell-at-the-far-corner",
        source="a workbook whose last cell was touched, or a hostile one",
        file="spring.xlsx",
        content=lambda: xlsx(_far_cell),
        refusal="takes too much memory",
    ),
    FeedCase(
        name="xlsx-bomb", source="a hostile workbook", file="spring.xlsx", content=_bomb, refusal="more than 500 times"
    ),
    FeedCase(
        name="xlsx-damaged",
        source="an upload that lost parts",
        file="spring.xlsx",
        content=_without_sheets,
        refusal="not a readable spreadsheet",
    ),
    FeedCase(
        name="xlsx-empty",
        source="a new workbook",
        file="spring.xlsx",
        content=lambda: xlsx(lambda _: None),
        refusal="no sheet has any rows",
    ),
    FeedCase(
        name="xlsx-without-ids",
        source="a workbook of customers",
        file="spring.xlsx",
        content=lambda: xlsx(lambda book: _plain(book, (("customer", "town"), ("Hansen", "Kiel")))),
        refusal="no column 'id'; the header has 'customer', 'town'",
    ),
)
