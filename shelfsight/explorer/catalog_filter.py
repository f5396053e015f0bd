"""Catalog filter: the filters of the catalog page as they stand in an address, and as conditions of SQL."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Literal

from fastapi import Query

from catalog.images.statuses import Status

SHARE = r"^(|[01](\.\d{0,9})?|\.\d{1,9})$"
MAX_TEXT = 200  # characters
SORTS = {
    "value": "position",
    "confidence": "probability ASC NULLS LAST, position",
    "confident": "probability DESC NULLS LAST, position",
    "new": "received_at DESC, position",
    "title": "title_rank",
}
STATUSES = (*(each.value for each in Status), "placeholder", "not downloaded yet")

HAVING = {"image": "an image", "label": "a label", "prediction": "a prediction"}
_HAS = {
    "image": "status IN ('ok', 'placeholder')",
    "label": "label_id IS NOT NULL",
    "prediction": "predicted_id IS NOT NULL",
}
WITHIN = """
place BETWEEN (SELECT place FROM tree WHERE category_id = ?) AND (SELECT last_place FROM tree WHERE category_id = ?)
"""

Sort = Literal["value", "confidence", "confident", "new", "title"]


@dataclass(frozen=True, kw_only=True)
class CatalogFilter:
    """The products to show; a filter that is empty or None counts for nothing."""

    partner: Annotated[str, Query(max_length=MAX_TEXT)] = ""
    delivery: Annotated[str, Query(max_length=MAX_TEXT)] = ""
    category: Annotated[str, Query(pattern=r"^\d{0,18}$")] = ""  # with everything below it
    status: Annotated[str, Query(max_length=MAX_TEXT)] = ""
    min_confidence: Annotated[str, Query(pattern=SHARE)] = ""
    max_confidence: Annotated[str, Query(pattern=SHARE)] = ""
    min_depth: Annotated[Literal["", "1", "2", "3", "4"], Query()] = ""
    has: Annotated[Literal["", "image", "label", "prediction"], Query()] = ""
    disagreement: Annotated[Literal["", "1"], Query()] = ""
    text: Annotated[str, Query(max_length=MAX_TEXT)] = ""
    new_since: Annotated[date | Literal[""], Query()] = ""
    sort: Annotated[Sort, Query()] = "value"

    def conditions(self) -> tuple[str, list[object]]:
        """Returns the conditions, which contain no text of the request, and their parameters."""
        parts: list[tuple[str, list[object]]] = []
        if self.partner:
            parts.append(("partner = ?", [self.partner]))
        if self.delivery:
            parts.append(("delivery = ?", [self.delivery]))
        if self.category:
            parts.append((WITHIN, [int(self.category)] * 2))
        if self.status:
            parts.append(("status = ?", [self.status]))
        if self.min_confidence:
            parts.append(("probability >= ?", [float(self.min_confidence)]))
        if self.max_confidence:
            parts.append(("probability <= ?", [float(self.max_confidence)]))
        if self.min_depth:
            parts.append(("depth >= ?", [int(self.min_depth)]))
        if self.has:
            parts.append((_HAS[self.has], []))
        if self.disagreement:
            parts.append(("disagrees", []))
        if self.text:
            parts.append(("contains(title_key, lower(?))", [self.text]))
        if self.new_since:
            parts.append(("received_at >= ?::DATE", [self.new_since]))
        sql = " AND ".join(condition for condition, _ in parts) or "true"
        return sql, [value for _, values in parts for value in values]

    @property
    def order(self) -> str:
        """The order of the rows."""
        return SORTS[self.sort]

    def address(self) -> dict[str, str]:
        """Returns the filters as they stand in an address, without those that count for nothing."""
        chosen = {each.name: str(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in chosen.items() if value and (name, value) != ("sort", "value")}
