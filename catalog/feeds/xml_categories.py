"""Categories of a feed that names them once, outside of its products, which have the id of one."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

MAX_CATEGORIES = 100_000
MAX_STEPS = 20  # of a path; a category that is its own ancestor has no more either
SEPARATOR = " > "

_TEXT = re.compile(rb"\s*(?:<name\s*>\s*)?(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))", re.IGNORECASE | re.DOTALL)


class Categories:
    """The categories that a feed names: id -> the id of the one above, and the name."""

    def __init__(self) -> None:
        self._categories: dict[str, tuple[str, str]] = {}

    def add(self, attributes: Mapping[bytes, bytes], content: bytes) -> None:
        """Add a category: the attributes of its tag, `id` and `parentId`, and the text that follows it."""
        values = {key.decode("utf-8", "replace").casefold(): _text(value) for key, value in attributes.items()}
        match = _TEXT.match(content)
        name = "" if match is None else _text(match[1] or b"", is_escaped=False) or _text(match[2] or b"")
        if values.get("id") and name and len(self._categories) < MAX_CATEGORIES:
            parent = values.get("parentid", values.get("parent_id", ""))
            self._categories.setdefault(values["id"], (parent, name))

    def path(self, category_id: str) -> str:
        """Return the names from the topmost category down to one; the id itself where the feed does not name it."""
        names: list[str] = []
        each = category_id.strip()
        while each in self._categories and len(names) < MAX_STEPS:
            each, name = self._categories[each]
            names.append(name)
        return SEPARATOR.join(reversed(names)) or category_id


def _text(value: bytes, *, is_escaped: bool = True) -> str:
    text = value.decode("utf-8", "replace")
    return " ".join((html.unescape(text) if is_escaped else text).split())
