"""Histories of deliveries, and what must hold after each build of the dataset, checked product by product."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from catalog.dataset.assignments import STRICTNESS, no_splits
from catalog.dataset.splits import in_selection_half
from tests.catalog.dataset.building import product

REMOVED_AT = datetime(2024, 5, 1, tzinfo=UTC)
SETTINGS = {"gold": "golden", "tests": "test", "vals": "val", "trains": "train", "rest": "train+val"}
PARTNERS = ("a", "b", "c", *SETTINGS)


@dataclass(frozen=True)
class Item:
    """A row of a feed: the product's number, its image, its item group, and whether it has a label and an image."""

    number: int
    image: int
    item_group: int | None = None
    is_labeled: bool = True
    is_downloaded: bool = True


@dataclass(frozen=True)
class Delivery:
    """A partner's feed, delivered again with these items; without any its delivery is deleted.

    If `is_killed`, the run that follows dies after it has written the table `splits`, before the dataset.
    """

    partner: str
    items: tuple[Item, ...]
    is_killed: bool = False


@dataclass
class Feeds:
    """The newest rows of each partner's feed; `name` comes after every partner, so that several are side by side."""

    name: str = ""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by delivery, the oldest first

    @property
    def settings(self) -> dict[str, str]:
        """The split by partner."""
        return {f"{partner}{self.name}": split for partner, split in SETTINGS.items()}

    def deliver(self, delivery: Delivery) -> None:
        """Replaces the rows of a feed; products that it lacks now are removed ones."""
        partner = f"{delivery.partner}{self.name}"
        former = {row["product_id"]: row for row in self.rows.pop(f"{partner}.feed", [])}
        if delivery.items:
            now = {row["product_id"]: row for row in (self._row(partner, item) for item in delivery.items)}
            gone = {name: row | {"removed_at": REMOVED_AT} for name, row in former.items() if name not in now}
            self.rows[f"{partner}.feed"] = [*(former | now | gone).values()]

    def _row(self, partner: str, item: Item) -> dict[str, Any]:
        return product(
            f"{partner}:{item.number}",
            f"{partner}.feed",
            image=f"i{item.image}{self.name}",
            item_group_id=None if item.item_group is None else str(item.item_group),
            category_id=3 if item.is_labeled else None,
            status="ok" if item.is_downloaded else "gone",
        )

    def usable(self) -> list[dict[str, Any]]:
        """The rows that have an image."""
        return [row for rows in self.rows.values() for row in rows if row["status"] == "ok"]


def components(usable: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The smallest product of each one's duplicates and variants, found link by link."""
    rows = list(usable)
    linked: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        linked["image", row["image"]].append(row["product_id"])
        if row["item_group_id"] is not None:
            linked["item", row["partner_id"], row["item_group_id"]].append(row["product_id"])
    first = {row["product_id"]: row["product_id"] for row in rows}
    changed = True
    while changed:
        changed = False
        for members in linked.values():
            smallest = min(first[each] for each in members)
            for each in members:
                changed |= first[each] != smallest
                first[each] = smallest
    return first


class Witness:
    """Sees every build of a history, and asserts that nothing has moved."""

    def __init__(self) -> None:
        self.table = no_splits()
        self.split_of: dict[str, str] = {}  # of every product that was in a dataset that was written

    def see(self, feeds: Iterable[Feeds], rows: pl.DataFrame | None, table: pl.DataFrame) -> None:
        """Asserts what must hold of the rows of a dataset, None if they were never written, and of the new table."""
        assert table.head(len(self.table)).equals(self.table), "a former assignment has changed"
        assert table["product_id"].is_unique().all()
        splits_by_group = table.group_by("group_id").agg(pl.col("split").n_unique())["split"]
        assert (splits_by_group == 1).all(), "a group is in two splits"
        is_new = set(table["product_id"][len(self.table) :])
        self.table = table
        if rows is None:
            return
        kept = {name: (group, split) for name, group, split in rows.select("product_id", "group_id", "split").rows()}
        for name, (_, split) in kept.items():
            assert self.split_of.setdefault(name, split) == split, f"{name} was in {self.split_of[name]}, is in {split}"
        own = {name: (group, split) for name, group, split in table.rows()}
        for name in kept.keys() & is_new:
            assert kept[name] == own[name], f"{name} is new, but has not joined the group of its duplicates"
        for each in feeds:
            self._see_components(each, kept, own)

    def _see_components(
        self, feeds: Feeds, kept: Mapping[str, tuple[str, str]], own: Mapping[str, tuple[str, str]]
    ) -> None:
        usable = feeds.usable()
        members: dict[str, list[dict[str, Any]]] = defaultdict(list)
        first = components(usable)
        for row in usable:
            members[first[row["product_id"]]].append(row)
        for rows in members.values():
            names = [row["product_id"] for row in rows]
            together = {kept[name] for name in names if name in kept}
            assert len(together) <= 1, f"{names} are one group, and are in {together}"
            strictest = max(STRICTNESS.index(own[name][1]) for name in names)
            for row in rows:
                if row["product_id"] in kept:
                    assert STRICTNESS.index(kept[row["product_id"]][1]) == strictest
                    assert self._selects(own[row["product_id"]]) == self._selects(kept[row["product_id"]])
                else:
                    assert self._is_left_out(row, own, strictest, feeds, names), f"{row} is left out of {names}"

    def _is_left_out(
        self, row: Mapping[str, Any], own: Mapping[str, tuple[str, str]], strictest: int, feeds: Feeds, names: list[str]
    ) -> bool:
        """Returns True if the rule leaves a product out."""
        group, split = own[row["product_id"]]
        setting = feeds.settings.get(row["partner_id"], "")
        if setting == "golden":
            return row["category_id"] is None
        is_evaluated = any(own[name][1] == "val" and not self._selects(own[name]) for name in names)
        return (
            STRICTNESS.index(split) < strictest
            or (is_evaluated and self._selects((group, split)))
            or (setting != "" and split not in setting.split("+"))
        )

    @staticmethod
    def _selects(assignment: tuple[str, str]) -> bool:
        """Returns True for the group of validation products that select models."""
        group, split = assignment
        return split == "val" and bool(in_selection_half(pl.Series([group]))[0])
