"""Links: what a download fetches once, whichever products show it."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.download.fetched import Validators


@dataclass(frozen=True, slots=True)
class Link:
    """A link to fetch once, the known version of its image, and the products that show it."""

    url: str | None
    known: Validators
    product_ids: list[str]
