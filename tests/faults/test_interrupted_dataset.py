"""A build of the dataset that is killed at each of its writes: the next run ends where an unbroken one does."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from catalog_assets.partitions import deliveries
from resources.store import Store
from tests.catalog_assets.dataset.shops import ASSETS, FEEDS, NUM, deliver, splits, write_shops
from tests.faults.killed_run import materialize
from tests.faults.killing import Moment, killed

# In the order in which a build reaches them: the table `splits` is the first of its two files.
MOMENTS = (
    Moment("before", "resources.store:write_parquet", 1),
    Moment("before", "os:fsync", 1),  # written, but not in its place
    Moment("after", "resources.store:write_parquet", 1),  # the commit
    Moment("before", "resources.store:write_parquet", 2),
    Moment("before", "os:fsync", 2),
    Moment("after", "resources.store:write_parquet", 2),  # both, and Dagster does not know
)
COMMITTED = MOMENTS[2:]


@pytest.fixture(scope="module")
def built(memory_dir: Path) -> Store:
    """A store whose dataset is built, and whose first feed has come again with a product more."""
    store = Store(root=str(memory_dir / "built"))
    write_shops(store)
    (store.local / "dagster").mkdir()
    with dg.DagsterInstance.from_config(str(store.local / "dagster")) as instance:
        instance.add_dynamic_partitions(str(deliveries.name), list(FEEDS))
    assert materialize(store.local, [*ASSETS], None).success
    deliver(store, FEEDS[0], [-1, *range(NUM + 20)], day=5)
    return store


@pytest.fixture(scope="module")
def unbroken(built: Store) -> dict[str, tuple[str, str]]:
    """The groups and splits after a build that is not killed."""
    copy = Store(root=f"{built.root}-unbroken")
    shutil.copytree(built.local, copy.local)
    assert materialize(copy.local, [*ASSETS], None).success
    assert splits(copy) == splits(copy, "splits")
    return splits(copy)


@pytest.fixture
def store(built: Store) -> Iterator[Store]:
    copy = Store(root=f"{built.root}-killed")
    shutil.copytree(built.local, copy.local)
    yield copy
    shutil.rmtree(copy.local)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda each: f"{each.when} {each.function} {each.num_calls}")
def test_after_a_kill_the_dataset_has_the_splits_of_the_table_and_the_next_run_completes_it(
    store: Store, unbroken: dict[str, tuple[str, str]], moment: Moment
) -> None:
    before = splits(store)
    killed(store.local, ",".join(ASSETS), moment)
    assert splits(store) == (unbroken if moment == MOMENTS[-1] else before)
    assert splits(store, "splits") == (unbroken if moment in COMMITTED else before)
    assert materialize(store.local, [*ASSETS], None).success
    assert splits(store) == splits(store, "splits") == unbroken


def test_a_feed_that_comes_between_a_kill_and_the_next_run_moves_no_product(
    store: Store, unbroken: dict[str, tuple[str, str]]
) -> None:
    killed(store.local, ",".join(ASSETS), COMMITTED[0])
    deliver(store, FEEDS[1], [*range(NUM + 30, -1, -1)], day=6)
    assert materialize(store.local, [*ASSETS], None).success
    after = splits(store)
    assert {name: after[name] for name in unbroken} == unbroken
    assert after[f"jensen:{NUM}"] == unbroken[f"hansen:{NUM}"]
