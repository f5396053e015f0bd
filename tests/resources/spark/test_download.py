"""A delivery on Spark: the same files as on one machine, and no link fetched twice without need."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.origin import free_port, loopback_hosts
from catalog.download.cached_images import cached_images
from catalog.download.delivery import DownloadOptions, Progress, download_delivery
from demo.faults import Fault, fault_of
from resources.spark.download import SparkEngine
from resources.spark.jobs import SparkJobError
from resources.spark.session import Spark
from tests.resources.deliveries import (
    SETTINGS,
    image_files,
    products,
    shop_of,
    stable,
    tables,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOSTS = loopback_hosts(12)


def seeded(image_id: str) -> Fault | None:
    return fault_of(image_id, seed=7)


def test_both_engines_leave_the_same_files_and_the_same_outcomes(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    wanted = products(HOSTS, port, 300)
    with shop_of(HOSTS, seeded, port):
        here = download_delivery(wanted, **tables(tmp_path / "here"), settings=SETTINGS)
    seen: list[Progress] = []
    with shop_of(HOSTS, seeded, port):
        there = download_delivery(
            wanted,
            **tables(tmp_path / "there"),
            settings=SETTINGS,
            on_progress=seen.append,
            options=DownloadOptions(engine=SparkEngine(session=session, wave_shards=8)),
        )
    assert stable(there).equals(stable(here))
    assert here["status"].n_unique() >= 8
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")
    assert len(image_files(tmp_path / "here")) == 12
    assert seen[-1] == Progress(done=300, total=300, ok=here.filter(status="ok").height)


def test_delivery_run_twice_fetches_only_retryable_links(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    broken = {"30": Fault.BROKEN, "31": Fault.GONE}
    with shop_of(HOSTS, broken.get, port) as shop:
        wanted = products(HOSTS, port, 100)
        options = DownloadOptions(engine=SparkEngine(session=session))
        download_delivery(wanted, **tables(tmp_path), settings=SETTINGS, options=options)
        broken.clear()
        before = shop.requests.copy()
        outcomes = download_delivery(wanted, **tables(tmp_path), settings=SETTINGS, options=options)
        assert shop.requests - before == {"/p/30.jpg": 1}
        assert dict(outcomes["status"].value_counts().iter_rows()) == {"ok": 97, "gone": 1, "invalid_url": 2}
        before = shop.requests.copy()
        assert download_delivery(wanted, **tables(tmp_path), settings=SETTINGS, options=options).equals(outcomes)
        smaller = wanted.head(40)
        fewer = download_delivery(smaller, **tables(tmp_path), settings=SETTINGS, options=options)
        # The second shard has fewer images, and so another name.
        assert fewer.drop("shard").equals(outcomes.head(40).drop("shard"))
        assert shop.requests == before


def test_images_of_other_deliveries_are_copied_and_not_fetched(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    with shop_of(HOSTS, {"9": Fault.GONE}.get, port) as shop:
        wanted = products(HOSTS, port, 60)
        folders = tables(tmp_path)
        first = {table: folder / "delivery=a.1" for table, folder in folders.items()}
        download_delivery(wanted, **first, settings=SETTINGS)
        before = shop.requests.copy()
        recorded = pl.scan_parquet(first["outcomes"] / "*.parquet").with_columns(delivery=pl.lit("a.1"))
        cached = cached_images(recorded, wanted["image_url"], folders["images"])
        renamed = wanted.with_columns(pl.col("product_id").str.replace("a:", "b:"))
        second = {table: folder / "delivery=a.2" for table, folder in folders.items()}
        options = DownloadOptions(engine=SparkEngine(session=session), cached=cached)
        outcomes = download_delivery(renamed, **second, settings=SETTINGS, options=options)
        assert shop.requests - before == {"/p/9.jpg": 1}
    assert outcomes.filter(status="ok").height == 57
    assert outcomes["sha256"].equals(pl.read_parquet(first["outcomes"] / "*.parquet")["sha256"])


def test_unwritable_store_fails_in_one_line_and_finished_waves_are_kept(
    session: "SparkSession", tmp_path: Path
) -> None:
    port = free_port()
    with shop_of(HOSTS, {}.get, port) as shop:
        wanted = products(HOSTS, port, 100)
        elsewhere = tmp_path / "elsewhere"
        download_delivery(wanted, **tables(elsewhere), settings=SETTINGS)
        [name] = [path.name for path in elsewhere.glob("images/shard-00003-*.parquet")]  # the same content has it
        # A folder in place of the image file of the fourth shard: it cannot be replaced by a file.
        in_the_way = tmp_path / "images" / name / "in-the-way"
        in_the_way.mkdir(parents=True)
        options = DownloadOptions(engine=SparkEngine(session=session, wave_shards=2))
        with pytest.raises(
            SparkJobError, match=r"(?s)^shard-00002 to shard-00003 of 4 shards: .*cannot write"
        ) as raised:
            download_delivery(wanted, **tables(tmp_path), settings=SETTINGS, options=options)
        assert "\n" not in str(raised.value)
        before = shop.requests.copy()
        in_the_way.rmdir()
        in_the_way.parent.rmdir()
        outcomes = download_delivery(wanted, **tables(tmp_path), settings=SETTINGS, options=options)
        assert outcomes.filter(status="ok").height == 98
        refetched = {int(path[3:-4]) for path in shop.requests - before}
        assert refetched
        assert min(refetched) >= 50


def test_running_session_with_other_settings_is_refused(session: "SparkSession") -> None:
    assert Spark(master="local[2]").session is session
    # A setting of this test alone: those of earlier sessions of this process remain set.
    name = "spark.hadoop.shelfsight.wanted.here"
    with pytest.raises(RuntimeError, match=rf"{name} = None where 'yes' is wanted; stop it first"):
        _ = Spark(master="local[2]", config={name: "yes"}).session
