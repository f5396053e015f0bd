"""A shard that a cluster writes: by one task, as often as it likes, always the same files."""

import threading
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from upath import UPath

from catalog.images.lane_download import ENDINGS_SCHEMA, LINKS_SCHEMA, download_links
from catalog.images.shard_plans import ShardPlan, plan_shards
from catalog.images.shard_writing import WRITTEN_SCHEMA, write_shards
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.download_until_killed import SETTINGS
from tests.catalog.images.pictures import jpeg

NUM_PRODUCTS = 60


def bytes_of(folder: UPath) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder.path).rglob("*")) if path.is_file()}


def plans_in(folder: UPath, wanted: pl.DataFrame) -> dict[int, ShardPlan]:
    plans = plan_shards(wanted, images=folder / "images", outcomes=folder / "outcomes", shard_rows=25, refresh=False)
    return dict(enumerate(plans))


def fetched(plans: dict[int, ShardPlan]) -> list[pa.RecordBatch]:
    rows = [
        {"shard": place, "image_url": url, "task": 0} for place, plan in plans.items() for url in plan.todo["image_url"]
    ]
    return list(download_links([pa.RecordBatch.from_pylist(rows, schema=LINKS_SCHEMA)], SETTINGS))


@pytest.fixture
def delivery(tmp_path: Path) -> tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]]:
    """Plans of three shards that hold some pictures already, and what was fetched of the rest."""
    broken = {f"p{number}": Fault.BROKEN for number in range(0, NUM_PRODUCTS, 3)}
    with Shop(lambda each: jpeg(40, 30, seed=int(each[1:])), faults=broken.get) as shop:
        wanted = pl.DataFrame(
            {
                "product_id": [f"a:{number}" for number in range(NUM_PRODUCTS)],
                "image_url": [f"{shop.url}/p/p{number}.jpg" for number in range(NUM_PRODUCTS)],
            }
        )
        folder = UPath(tmp_path / "store")
        first = plans_in(folder, wanted)
        list(write_shards(fetched(first), first))
        broken.clear()
        plans = plans_in(folder, wanted)
        return folder, plans, fetched(plans)


def test_each_shard_is_told_with_what_was_asked_and_what_came(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    _, plans, endings = delivery
    told = pa.Table.from_batches(write_shards(endings, plans), WRITTEN_SCHEMA).to_pylist()
    assert sorted(told, key=lambda row: row["shard"]) == [
        {"shard": 0, "num_asked": 9, "num_ok": 9},
        {"shard": 1, "num_asked": 8, "num_ok": 8},
        {"shard": 2, "num_asked": 3, "num_ok": 3},
    ]


def test_a_shard_written_again_after_a_retry_is_the_same(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    folder, plans, endings = delivery
    list(write_shards(endings, plans))
    once = bytes_of(folder)
    assert pl.read_parquet(folder / "outcomes" / "*.parquet")["status"].to_list() == ["ok"] * NUM_PRODUCTS
    list(write_shards(reversed(endings), plans))  # a retry gets the rows in another order
    assert bytes_of(folder) == once


def test_two_tasks_that_write_a_shard_at_once_leave_it_whole(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    folder, plans, endings = delivery
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(5):
                list(write_shards(endings, plans))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    both = bytes_of(folder)
    assert not [name for name in both if name.endswith(".writing")]
    list(write_shards(endings, plans))
    assert bytes_of(folder) == both


def test_no_rows_are_no_shards() -> None:
    assert list(write_shards([], {})) == []
    assert list(write_shards([pa.RecordBatch.from_pylist([], schema=ENDINGS_SCHEMA)], {})) == []
