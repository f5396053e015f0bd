"""Histories: whatever is delivered, in whatever order, and wherever a run is killed, no product changes its split."""

import random
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.dataset.assignments import Splitting, assign_splits, update_splits
from tests.catalog.dataset.building import build
from tests.catalog.dataset.histories import PARTNERS, Delivery, Feeds, Item, Witness, components

NUM_HISTORIES, NUM_DELIVERIES = 200, 8  # deliveries of each
items = st.builds(Item, st.integers(0, 4), st.integers(0, 6), st.none() | st.integers(0, 1), st.booleans())
deliveries = st.builds(
    Delivery,
    st.sampled_from(PARTNERS),
    st.lists(items, max_size=4, unique_by=lambda item: item.number).map(tuple),
    st.booleans(),
)


@settings(max_examples=NUM_HISTORIES)
@given(st.lists(deliveries, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_no_history_moves_a_product(history: list[Delivery], chance: random.Random) -> None:
    feeds, witness = Feeds(), Witness()
    for delivery in history:
        feeds.deliver(delivery)
        usable = feeds.usable()
        if not usable:
            continue
        assigned = _assigned(usable, witness.table, feeds)
        if delivery is history[-1]:
            chance.shuffle(usable)
            other = _assigned(usable, witness.table.sample(fraction=1, shuffle=True, seed=1), feeds)
            assert assigned.sort("product_id").equals(other.sort("product_id"))
        rows = assigned.filter(pl.col("left_out").is_null())
        witness.see([feeds], None if delivery.is_killed else rows, update_splits(witness.table, assigned))


def _assigned(usable: list[dict[str, object]], table: pl.DataFrame, feeds: Feeds) -> pl.DataFrame:
    """The assignments of these rows, in their order."""
    first = components(usable)
    position = {row["product_id"]: number for number, row in enumerate(usable)}
    products = pl.DataFrame(
        [(row["product_id"], row["partner_id"], row["category_id"]) for row in usable],
        schema={"product_id": pl.String, "partner_id": pl.String, "category_id": pl.Int64},
        orient="row",
    )
    component = np.array([position[first[str(name)]] for name in products["product_id"]])
    return assign_splits(products, component, Splitting(former=table, partner_splits=feeds.settings))


def _random_history(chance: random.Random) -> Iterator[Delivery]:
    """Deliveries in which most feeds come again with a row more, a row less, or another image."""
    known: dict[str, tuple[Item, ...]] = {}
    for _ in range(NUM_DELIVERIES):
        partner = chance.choice(PARTNERS)
        former = {item.number: item for item in known.get(partner, ())}
        for _ in range(chance.randint(1, 3)):
            new = Item(
                chance.randrange(6),
                chance.randrange(9),
                chance.choice([None, None, 0, 1]),
                is_labeled=chance.random() < 0.8,
                is_downloaded=chance.random() < 0.9,
            )
            former[new.number] = new
        if chance.random() < 0.4:
            former.pop(chance.choice(list(former)))
        known[partner] = () if chance.random() < 0.1 else tuple(former.values())
        yield Delivery(partner, known[partner], is_killed=chance.random() < 0.3)


@pytest.mark.parametrize("seed", range(3))
def test_no_history_of_many_side_by_side_moves_a_product_of_its_dataset(seed: int) -> None:
    chance = random.Random(seed)
    catalogs = [Feeds(name=f"-{number}") for number in range(NUM_HISTORIES)]
    histories = [list(_random_history(chance)) for _ in catalogs]
    partner_splits = {partner: split for feeds in catalogs for partner, split in feeds.settings.items()}
    witness = Witness()
    for step in range(NUM_DELIVERIES):
        for feeds, history in zip(catalogs, histories, strict=True):
            feeds.deliver(history[step])
        order = [key for feeds in catalogs for key in feeds.rows]
        rows = [row for feeds in catalogs for rows in feeds.rows.values() for row in rows]
        built = build(rows, order=order, splits=partner_splits, former=witness.table)
        chance.shuffle(order)
        chance.shuffle(rows)
        other = build(rows, order=order, splits=partner_splits, former=witness.table)
        assert built.rows.equals(other.rows)
        assert built.splits.equals(other.splits)
        again = build(rows, order=order, splits=partner_splits, former=built.splits)
        assert again.rows.equals(built.rows)
        assert again.splits.equals(built.splits)
        survivors = [feeds for feeds, history in zip(catalogs, histories, strict=True) if not history[step].is_killed]
        partners = {f"{partner}{feeds.name}" for feeds in survivors for partner in PARTNERS}
        witness.see(survivors, built.rows.filter(pl.col("partner_id").is_in(partners)), built.splits)
    assert set(built.rows["split"]) == {"train", "val", "test", "golden"}
    assert built.summary.num_split_duplicates > 50
    assert built.summary.num_golden_duplicates > 10
