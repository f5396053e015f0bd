"""Feed limits: how much a new version of a feed may differ from the one that is served before a person is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class GateLimits:
    """How much a new version of a feed may differ from the one that is served, in shares of 0 to 1.

    `min_taken`: rows that have to become products.
    `max_removed`: products of the served version that the new one may lack.
    `max_new`: products of the new version that the served one may lack.
    `max_labels_lost`, `max_labels_changed`: labeled products of both versions without a label, or with another one.
    `max_links_lost`: products of both versions without an image link, or with one that many of them now share.
    `max_links_changed`: products of both versions with another image link.
    `max_images_changed`: refetched images with other bytes under the same link.
    `min_products`: below this number no share counts; then only a version of which nothing is left is held back.
    """

    min_taken: float = 0.5
    max_removed: float = 0.3
    max_new: float = 0.8
    max_labels_lost: float = 0.2
    max_labels_changed: float = 0.5
    max_links_lost: float = 0.2
    max_links_changed: float = 0.5
    max_images_changed: float = 0.5
    min_products: int = 10


_NAMES = tuple(each.name for each in fields(GateLimits))
_COUNT = "min_products"


def read_limits(table: Mapping[str, Any], place: str) -> dict[str, float]:
    """Return a partner's own limits as they stand in its settings.

    Raises:
        ValueError: A limit is unknown, or no share; the message names the place, the value and what is allowed.
    """
    for name, value in table.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name not in _NAMES or not is_number:
            raise ValueError(f"{place} has gate.{name} = {value!r}; it may have numbers for {', '.join(_NAMES)}")
        if name == _COUNT and not (isinstance(value, int) and value >= 0):
            raise ValueError(f"{place} has gate.{name} = {value!r}; write a whole number of products, 0 or more")
        if name != _COUNT and not 0 <= value <= 1:
            raise ValueError(f"{place} has gate.{name} = {value!r}; write a share of 0 to 1, such as 0.3 for 30 %")
    return dict(table)
