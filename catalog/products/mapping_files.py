"""Mapping files: CSV files of two columns, which a partner's settings name; product types may be proposals at first."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from upath import UPath

from catalog.taxonomy.parsing import canonical_path

TYPES_HEADER = ("product_type", "category")
# With a decision per row: only those that a person has confirmed count.
PROPOSALS_HEADER = (*TYPES_HEADER, "confirmed", "score", "products")
CATEGORIES_HEADER = ("google_product_category", *PROPOSALS_HEADER[1:])  # with several candidates a text
YES = "yes"
CONFIRMED = frozenset({YES, "y", "true", "1", "x", "ja"})
UNCONFIRMED = frozenset({"", "no", "n", "false", "0", "nein"})


@dataclass(frozen=True, kw_only=True)
class ProductTypes:
    """A partner's product types -> taxonomy paths or ids, and the number of those that nobody has confirmed yet."""

    categories: dict[str, str]
    num_unconfirmed: int = 0


def read_text(path: UPath, way_out: str) -> str:
    """Return the text of a file; ValueError naming it and the way out where it is missing or not UTF-8."""
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r}; {way_out}")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def read_mapping(path: UPath, header: tuple[str, str], canonical: Callable[[str], str]) -> dict[str, str]:
    """Return the rows of a CSV file with this header; texts of the same canonical form may not be mapped twice.

    Raises:
        ValueError: The file is missing, or a line is wrong; the message names it and the way out.
    """
    lines = _lines(path, (header,))
    return _mapping(path, ((number, row[0], row[1]) for number, row in lines), canonical)


def read_product_types(path: UPath) -> ProductTypes:
    """Return the confirmed rows of a file of product types, with `TYPES_HEADER` or `PROPOSALS_HEADER`.

    Raises:
        ValueError: As `read_mapping`, or a decision is neither yes nor no, or a confirmed row has no category.
    """
    return _confirmed(path, (TYPES_HEADER, PROPOSALS_HEADER))


def read_categories(path: UPath) -> ProductTypes:
    """Return the confirmed rows of a file of google_product_category, with `CATEGORIES_HEADER`; raises as for types.

    A text has a row per candidate, of which at most one is confirmed; it is unconfirmed where none is.
    """
    return _confirmed(path, (CATEGORIES_HEADER[:2], CATEGORIES_HEADER))


def _confirmed(path: UPath, headers: Sequence[tuple[str, ...]]) -> ProductTypes:
    confirmed: list[tuple[int, str, str]] = []
    unconfirmed: set[str] = set()
    for number, (product_type, category, *decision) in _lines(path, headers):
        word = decision[0].strip().casefold() if decision else YES
        if word in UNCONFIRMED:
            unconfirmed.add(canonical_path(product_type))
        elif word not in CONFIRMED:
            raise ValueError(f"{path}:{number}: confirmed is {decision[0]!r}; write {YES}, or nothing")
        elif not category.strip():
            raise ValueError(f"{path}:{number}: {product_type!r} is confirmed without a category; write one")
        else:
            confirmed.append((number, product_type, category))
    unconfirmed -= {canonical_path(text) for _, text, _ in confirmed}
    return ProductTypes(categories=_mapping(path, confirmed, canonical_path), num_unconfirmed=len(unconfirmed))


def read_rows(path: UPath, headers: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return the fields of each line of a file that has one of these headers; raises as `read_mapping`."""
    return [row for _, row in _lines(path, headers)]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the text of a mapping file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _lines(path: UPath, headers: Sequence[tuple[str, ...]]) -> list[tuple[int, list[str]]]:
    """Returns the number and the fields of each line after the header, which is one of these."""
    setting = f"{headers[0][0]}s"
    text = read_text(path, f"write it with the header {','.join(headers[0])}, or remove {setting} from the settings")
    rows = csv.reader(io.StringIO(text, newline=""))
    found = next(rows, [])
    if tuple(found) not in headers:
        wanted = " or ".join(map(",".join, headers))
        raise ValueError(f"{path}: the header is {','.join(found)!r}; make it {wanted}")
    lines = []
    for row in rows:
        if row and len(row) != len(found):
            raise ValueError(f"{path}:{rows.line_num}: {len(row)} fields; put texts with a comma in quotes")
        if row:
            lines.append((rows.line_num, row))
    return lines


def _mapping(path: UPath, rows: Iterable[tuple[int, str, str]], canonical: Callable[[str], str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    seen: dict[str, str] = {}
    for number, key, value in rows:
        if seen.setdefault(canonical(key), value) != value:
            raise ValueError(f"{path}:{number}: {key!r} is mapped twice; remove one of the rows")
        mapping[key] = value
    return mapping
