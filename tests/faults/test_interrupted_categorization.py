"""A categorization that is killed, or whose disk is full, keeps the former categories; the next run makes the new."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from catalog.storage.warehouse import query, write_warehouse
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.end_to_end.services import copy_of
from tests.faults.killed_run import materialize
from tests.faults.killing import Moment, killed
from tests.faults.small_disk import mounted

TABLE, DELIVERY = "universal_catalog", "golden.test-set"
MOMENTS = {
    "while the network computes": Moment("before", "ml.deployment.deployment:Deployment.predict", 3),
    "while the table is written": Moment("after", "polars:DataFrame.write_parquet"),
}


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, memory_dir: Path) -> Store:
    return Store(root=str(copy_of(tiny_catalog, memory_dir)))


def rows_of(store: Store) -> pl.DataFrame:
    return store.scan(TABLE, [DELIVERY]).collect().drop("delivery")


@pytest.fixture(scope="module")
def undisturbed(store: Store) -> pl.DataFrame:
    """The rows of an uninterrupted run."""
    return rows_of(store)


@pytest.fixture
def former(store: Store, undisturbed: pl.DataFrame) -> pl.DataFrame:
    """The rows before the run: predictions of another deployment, so that every image is predicted again."""
    rows = undisturbed.with_columns(version=pl.lit("former"), probability=pl.lit(0.5, pl.Float32))
    store.write(rows, TABLE, DELIVERY)
    return rows


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_labeling_that_is_killed_leaves_the_former_rows_and_the_next_run_makes_the_same_as_ever(
    store: Store, undisturbed: pl.DataFrame, former: pl.DataFrame, moment: Moment
) -> None:
    killed(store.local, TABLE, moment, DELIVERY)
    assert rows_of(store).equals(former)
    database = store.local / "catalog.duckdb"
    write_warehouse(database, store.root)
    counted = query(database, f"SELECT count(*) AS num FROM {TABLE} WHERE version = 'former'")  # noqa: S608
    assert counted["num"].to_list() == [len(former)]
    assert materialize(store.local, [TABLE], DELIVERY).success
    assert rows_of(store).equals(undisturbed)


@pytest.fixture
def small_disk(store: Store, former: pl.DataFrame) -> Iterator[Path]:
    """A file system of 64 kB that holds the delivery's former rows and has no room for more."""
    with mounted(Path(str(store.folder(TABLE, DELIVERY))), "64k") as place:
        store.write(former, TABLE, DELIVERY)
        free = os.statvfs(place)
        (place / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - 4096))
        yield place


def test_a_full_disk_names_the_table_and_the_cause_and_room_lets_the_labeling_end(
    store: Store, undisturbed: pl.DataFrame, former: pl.DataFrame, small_disk: Path
) -> None:
    failed = materialize(store.local, [TABLE], DELIVERY)
    [failure] = failed.get_step_failure_events()
    message = str(failure.step_failure_data.error)  # what the UI shows of the step
    file = re.escape(str(small_disk / "data.parquet"))
    assert re.search(rf"cannot write '{file}': .*No space left on device.*; make that place writable", message)
    assert rows_of(store).equals(former)
    assert {file.name for file in small_disk.iterdir()} == {"data.parquet", "filler"}
    (small_disk / "filler").unlink()
    assert materialize(store.local, [TABLE], DELIVERY).success
    assert rows_of(store).equals(undisturbed)
