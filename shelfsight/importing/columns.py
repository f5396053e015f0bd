"""Columns of a label table: found by the names that people give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.feeds.feed import attribute_of
from ml.name_suggestions import suggest_names
from shelfsight.importing.samples import Sample

PATHS = ("path", "file_name", "filename", "file", "image_path", "image", "image_link")
LABELS = ("label", "class", "category", "google_product_category", "google_path", "google_id", "product_type", "cls")
GROUPS = ("item_group_id", "sender", "group_id", "group")
# Columns of the feed that an import writes; those of a table that are named so are renamed.
WRITTEN = ("id", "image_link", "google_product_category", "item_group_id")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of columns in a table; None where it has none."""

    path: str | None
    label: str | None
    group: str | None
    split: str | None
    item_id: str | None

    @classmethod
    def of(cls, names: Sequence[str], where: str, *, label: str | None = None, group: str | None = None) -> "Columns":
        """Finds the columns, or takes those that the user names.

        Raises:
            ValueError: a named column is missing; the message has near names.
        """
        by_attribute = {attribute_of(name): name for name in reversed(names)}
        for chosen in (label, group):
            if chosen is not None and chosen not in names:
                raise ValueError(f"{where} has no column {chosen!r}; {suggest_names(chosen, names)}")

        def first(known: Sequence[str]) -> str | None:
            return next((by_attribute[each] for each in known if each in by_attribute), None)

        return cls(
            path=first(PATHS),
            label=label or first(LABELS),
            group=group or first(GROUPS),
            split=first(["split"]),
            item_id=first(["id"]),
        )

    def sample(self, row: Mapping[str, str], *, path: str, item_id: str) -> Sample:
        """Returns the sample of a row."""
        used = {self.path, self.item_id}
        return Sample(
            item_id=_text(row, self.item_id) or item_id,
            path=path,
            label=_text(row, self.label),
            group=_text(row, self.group),
            split=_text(row, self.split),
            columns={_kept(name): value or "" for name, value in row.items() if name not in used},
        )


def _text(row: Mapping[str, str], column: str | None) -> str:
    return (row.get(column) or "").strip() if column is not None else ""


def _kept(name: str) -> str:
    """The name of a further column in the feed; one of the names that the feed has itself is prefixed."""
    return f"table_{name}" if attribute_of(name) in WRITTEN else name
