"""Business value: units sold by category, the cost of a mistake in it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping

from upath import UPath

from catalog.taxonomy.tree import NUM_LEVELS, Taxonomy

COLUMNS = ("leaf", "units_sold")


class BusinessValueError(ValueError):
    """An invalid business-value file; the message names the file, the line and the value."""


def read_business_values(path: UPath, taxonomy: Taxonomy) -> dict[int, float]:
    """Reads the units sold by category id from a CSV with the header `leaf,units_sold`; a leaf is an id or a path.

    Without a file every category has the value 1, so that a mistake costs the same in each of them.

    Raises:
        BusinessValueError: a line is invalid.
    """
    if not path.is_file():
        return dict.fromkeys(taxonomy.ids, 1.0)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BusinessValueError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return parse_business_values(io.StringIO(text, newline=""), taxonomy, str(path))


def parse_business_values(lines: Iterable[str], taxonomy: Taxonomy, name: str) -> dict[int, float]:
    """Parses the lines of a CSV as `read_business_values` does; `name` stands for the file in errors."""
    reader = csv.DictReader(lines, strict=True, restkey="more columns")
    try:
        header = reader.fieldnames or ()
        if not set(COLUMNS) <= set(header):
            raise BusinessValueError(f"{name}:1: the header is {','.join(header)!r}; expected leaf,units_sold")
        values: dict[int, float] = {}
        for row in reader:
            location = f"{name}:{reader.line_num}"
            category_id = _category(row["leaf"] or "", taxonomy, location)
            if category_id in values:
                raise BusinessValueError(f"{location}: {row['leaf']!r} has a line already; remove one")
            values[category_id] = _units_sold(row["units_sold"], location)
    except csv.Error as error:
        raise BusinessValueError(f"{name}:{reader.reader.line_num}: not a CSV line ({error})") from error
    if not any(values.values()):
        raise BusinessValueError(f"{name}: no category sold a unit; list leaves and their units_sold")
    return values


def values_at_level(values: Mapping[int, float], taxonomy: Taxonomy, level: int) -> dict[int, float]:
    """Sums the values by category of a level of the taxonomy, 1 (roots) to 4."""
    if not 1 <= level <= NUM_LEVELS:
        raise ValueError(f"level {level} is not one of 1 to {NUM_LEVELS}")
    sums: dict[int, float] = {}
    for category_id, value in values.items():
        node = taxonomy.levels(category_id)[level - 1]
        sums[node] = sums.get(node, 0.0) + value
    return sums


def _category(text: str, taxonomy: Taxonomy, location: str) -> int:
    category_id = taxonomy.resolve(text)
    if category_id is None:
        nearest = taxonomy.nearest(text)
        hint = f"did you mean {nearest!r}?" if nearest else "use an id or a path of it"
        raise BusinessValueError(f"{location}: the taxonomy has no category {text!r}; {hint}")
    return category_id


def _units_sold(text: str | None, location: str) -> float:
    try:
        units = float(text or "")
    except ValueError:
        units = math.nan
    if not 0 <= units < math.inf:
        raise BusinessValueError(f"{location}: units_sold is {text!r}; write a number that is not negative")
    return units
