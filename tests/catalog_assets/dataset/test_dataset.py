"""The assets `splits` and `dataset` over a real store: what was assigned once is continued."""

import dagster as dg
import polars as pl
import pytest

from catalog_assets.dataset import former_splits
from catalog_assets.dataset.former_splits import SplitsReplacedError
from resources.store import Store
from tests.catalog_assets.dataset.shops import FEEDS, NUM, build, deliver, splits, write_shops

HANSEN, JENSEN = FEEDS


def test_a_feed_that_is_delivered_again_moves_no_product(store: Store, instance: dg.DagsterInstance) -> None:
    write_shops(store)
    build(store, instance)
    before = splits(store)
    assert len(before) == 2 * NUM
    for day, (feed, numbers) in enumerate([(HANSEN, [*range(NUM), NUM]), (JENSEN, [-1, *range(NUM - 1, -1, -1)])], 5):
        deliver(store, feed, numbers, day)
        build(store, instance)
        after = splits(store)
        assert {name: after[name] for name in before} == before
        assert splits(store, "splits") == after


def test_a_store_of_an_earlier_version_keeps_the_groups_and_splits_of_its_dataset(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_shops(store)
    build(store, instance)
    # As the earlier version named and split them: after the partner that came first, here the larger name.
    earlier = (
        store.scan("dataset").collect().with_columns(group_id="jensen:" + pl.col("product_id").str.split(":").list[1])
    )
    other = {"train": "test", "val": "train", "test": "val"}
    store.write(earlier.with_columns(pl.col("split").replace_strict(other)), "dataset")
    (store.folder("splits") / "data.parquet").unlink()
    before = splits(store)
    deliver(store, HANSEN, range(NUM + 1), day=5)
    result = build(store, instance)
    after = splits(store)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {f"hansen:{NUM}"}
    assert metadata_of(result, "splits")["new products"] == 1


def test_products_keep_their_splits_while_their_dataset_is_not_there(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_shops(store)
    build(store, instance)
    before = splits(store)
    table = store.scan("splits").collect()
    store.write(table.with_columns(split=pl.lit("val")), "splits")
    (store.folder("dataset") / "data.parquet").unlink()
    build(store, instance)
    assert splits(store) == {name: (group, "val") for name, (group, _) in before.items()}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_replaces_no_splits_that_another_run_wrote_meanwhile(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    write_shops(store)
    if not is_first:
        build(store, instance)
        deliver(store, HANSEN, range(NUM + 1), day=5)
    read = former_splits.FormerSplits.read
    others = pl.DataFrame({"product_id": ["hansen:0"], "group_id": ["hansen:0"], "split": ["test"]})

    def overtaken(store: Store) -> former_splits.FormerSplits:
        former = read(store)
        store.write(others, "splits")
        return former

    monkeypatch.setattr(former_splits.FormerSplits, "read", overtaken)
    with pytest.raises(SplitsReplacedError, match=r"another run replaced .*splits/data.parquet.*run dataset again"):
        build(store, instance)
    assert splits(store, "splits") == {"hansen:0": ("hansen:0", "test")}
    monkeypatch.undo()
    build(store, instance)
    assert splits(store)["hansen:0"] == splits(store)["jensen:0"] == ("hansen:0", "test")


def test_a_deleted_delivery_s_products_have_their_former_splits_when_they_come_back(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_shops(store)
    build(store, instance)
    before = splits(store)
    for table in ("products", "outcomes"):
        (store.folder(table, HANSEN) / "data.parquet").unlink()
    build(store, instance)
    assert splits(store) == {name: kept for name, kept in before.items() if name.startswith("jensen")}
    deliver(store, HANSEN, range(NUM), day=5)
    build(store, instance)
    assert splits(store) == before


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """The metadata of one of the two tables."""
    events = {event.asset_key.path[-1]: event for event in result.get_asset_materialization_events() if event.asset_key}
    materialization = events[asset].materialization
    return {name: value.value for name, value in materialization.metadata.items()}
