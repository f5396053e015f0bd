"""A cluster's tasks: links of one task at a time, within its share of a host, and shards written again alike."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from upath import UPath

from catalog.download import arrow_tasks as module
from catalog.download.arrow_tasks import COUNTS_SCHEMA, LINKS_SCHEMA, RESULTS_SCHEMA, download_task, write_task
from catalog.download.downloader import LinkResult
from catalog.download.host_limiter import Politeness
from catalog.download.host_partitions import HostPartitions, plan_host_partitions
from catalog.download.settings import FetchSettings
from catalog.download.shard_plans import ShardPlan, plan_shards
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS
from tests.catalog.images.sample_images import jpeg

NUM_PRODUCTS = 60


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(lambda image_id: jpeg(40, 30, seed=int(image_id[1:])), faults={}.get) as opened:
        yield opened


def links(shop: Shop, *image_ids: str, task: int = 0) -> pa.RecordBatch:
    rows = [{"shard": 0, "image_url": f"{shop.url}/p/{each}.jpg", "task": task} for each in image_ids]
    return pa.RecordBatch.from_pylist(rows, schema=LINKS_SCHEMA)


def two_tasks(urls: pl.Series, settings: FetchSettings = SETTINGS) -> tuple[pl.Series, HostPartitions]:
    return plan_host_partitions(urls, settings, 2)


def test_links_of_two_tasks_are_refused_and_no_links_are_no_work(shop: Shop) -> None:
    _, partitions = two_tasks(pl.Series([shop.url]))
    with pytest.raises(ValueError, match=r"links of tasks \[0, 1\]"):
        list(download_task([links(shop, "p1"), links(shop, "p2", task=1)], partitions, SETTINGS))
    assert list(download_task([], partitions, SETTINGS)) == []


def test_task_keeps_to_its_share_of_a_host(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, politeness=Politeness(max_connections=8, rate_per_s=40.0))
    urls = pl.Series([f"{shop.url}/p/p{index}.jpg" for index in range(200)])
    _, partitions = two_tasks(urls, settings)
    used: list[FetchSettings] = []

    def download_links(links: object, within: FetchSettings, cached: object) -> list[list[LinkResult]]:
        used.append(within)
        return []

    monkeypatch.setattr(module, "download_links", download_links)
    assert list(download_task([links(shop, "p1")], partitions, settings)) == []
    host = used[0].host_limits["127.0.0.1"]
    assert (host.num_connections, host.interval_s) == (4, 1 / 20)
    assert used[0].num_decoders == 1


def bytes_of(folder: UPath) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder.path).rglob("*")) if path.is_file()}


def plans_in(folder: UPath, wanted: pl.DataFrame) -> dict[int, ShardPlan]:
    plans = plan_shards(wanted, images=folder / "images", outcomes=folder / "outcomes", shard_rows=25, refresh=False)
    return dict(enumerate(plans))


def fetched(plans: dict[int, ShardPlan]) -> list[pa.RecordBatch]:
    rows = [
        {"shard": index, "image_url": url, "task": 0} for index, plan in plans.items() for url in plan.todo["image_url"]
    ]
    _, partitions = plan_host_partitions(pl.Series([row["image_url"] for row in rows]), SETTINGS, 1)
    return list(download_task([pa.RecordBatch.from_pylist(rows, schema=LINKS_SCHEMA)], partitions, SETTINGS))


@pytest.fixture
def delivery(tmp_path: Path) -> tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]]:
    """Plans of three shards that have some images already, and the results of the other links."""
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
        list(write_task(fetched(first), first))
        broken.clear()
        plans = plans_in(folder, wanted)
        return folder, plans, fetched(plans)


def test_task_counts_the_products_and_images_of_each_shard(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    _, plans, results = delivery
    for index, num in {0: 9, 1: 8, 2: 3}.items():
        rows = [batch.filter(pc.equal(batch["shard"], index)) for batch in results]
        counts = pl.DataFrame(pa.Table.from_batches(write_task(rows, plans), COUNTS_SCHEMA))
        assert counts.sum().row(0) == (num, num)


def test_shard_written_again_after_a_retry_is_the_same(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    folder, plans, results = delivery
    list(write_task(results, plans))
    once = bytes_of(folder)
    assert pl.read_parquet(folder / "outcomes" / "*.parquet")["status"].to_list() == ["ok"] * NUM_PRODUCTS
    list(write_task(reversed(results), plans))  # a retry gets the rows in another order
    assert bytes_of(folder) == once


def test_two_tasks_that_write_a_shard_at_once_leave_it_whole(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    folder, plans, results = delivery
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(5):
                list(write_task(results, plans))
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
    list(write_task(results, plans))
    assert bytes_of(folder) == both


def test_shard_whose_results_are_incomplete_is_not_written_and_named(
    delivery: tuple[UPath, dict[int, ShardPlan], list[pa.RecordBatch]],
) -> None:
    folder, plans, results = delivery
    before = bytes_of(folder)
    with pytest.raises(RuntimeError, match=r"before those of shards \[2\] were complete"):
        rows = pa.Table.from_batches(results).filter(pc.equal(pc.field("shard"), 2))
        list(write_task(rows.slice(1).to_batches(), plans))
    assert bytes_of(folder) == before


def test_no_rows_are_no_shards() -> None:
    assert list(write_task([], {})) == []
    assert list(write_task([pa.RecordBatch.from_pylist([], schema=RESULTS_SCHEMA)], {})) == []
