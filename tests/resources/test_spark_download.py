"""A delivery on Spark: the same files as on one machine, and no host pressed harder, however often tasks run."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.origin import free_port, loopback_hosts
from catalog.images.held import Reuse, held_pictures
from catalog.images.shards import Progress, download_delivery
from demo.faults import Fault, fault_of
from resources.spark import Spark
from resources.spark_download import SparkDownload
from resources.spark_jobs import SparkJobError
from tests.resources.deliveries import (
    SETTINGS,
    image_files,
    places,
    products,
    shop_of,
    stable,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOSTS = loopback_hosts(12)


def seeded(picture_id: str) -> Fault | None:
    return fault_of(picture_id, seed=7)


def test_both_engines_leave_the_same_files_and_the_same_outcomes(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    wanted = products(HOSTS, port, 300)
    with shop_of(HOSTS, seeded, port):
        here = download_delivery(wanted, **places(tmp_path / "here"), settings=SETTINGS)
    seen: list[Progress] = []
    with shop_of(HOSTS, seeded, port):
        there = SparkDownload(session=session, wave_shards=8).download(
            wanted, **places(tmp_path / "there"), settings=SETTINGS, on_progress=seen.append
        )
    assert stable(there).equals(stable(here))
    assert here["status"].n_unique() >= 8
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")
    assert len(image_files(tmp_path / "here")) == 12
    assert seen[-1] == Progress(done=300, total=300, ok=here.filter(status="ok").height)


def test_a_delivery_run_twice_asks_only_for_what_may_end_differently(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    broken = {"30": Fault.BROKEN, "31": Fault.GONE}
    with shop_of(HOSTS, broken.get, port) as shop:
        wanted = products(HOSTS, port, 100)
        engine = SparkDownload(session=session)
        engine.download(wanted, **places(tmp_path), settings=SETTINGS)
        broken.clear()
        before = shop.requests.copy()
        outcomes = engine.download(wanted, **places(tmp_path), settings=SETTINGS)
        assert shop.requests - before == {"/p/30.jpg": 1}
        assert dict(outcomes["status"].value_counts().iter_rows()) == {"ok": 97, "gone": 1, "invalid_url": 2}
        before = shop.requests.copy()
        assert engine.download(wanted, **places(tmp_path), settings=SETTINGS).equals(outcomes)
        smaller = wanted.head(40)
        assert engine.download(smaller, **places(tmp_path), settings=SETTINGS).equals(outcomes.head(40))
        assert shop.requests == before


def test_pictures_of_other_deliveries_are_copied_and_not_asked_for(session: "SparkSession", tmp_path: Path) -> None:
    port = free_port()
    with shop_of(HOSTS, {"9": Fault.GONE}.get, port) as shop:
        wanted = products(HOSTS, port, 60)
        tables = places(tmp_path)
        first = {table: folder / "delivery=a.1" for table, folder in tables.items()}
        download_delivery(wanted, **first, settings=SETTINGS)
        before = shop.requests.copy()
        recorded = pl.scan_parquet(first["outcomes"] / "*.parquet").with_columns(delivery=pl.lit("a.1"))
        held = held_pictures(recorded, wanted["image_url"], tables["images"])
        renamed = wanted.with_columns(pl.col("product_id").str.replace("a:", "b:"))
        second = {table: folder / "delivery=a.2" for table, folder in tables.items()}
        outcomes = SparkDownload(session=session).download(renamed, **second, settings=SETTINGS, reuse=Reuse(held=held))
        assert shop.requests - before == {"/p/9.jpg": 1}
    assert outcomes.filter(status="ok").height == 57
    assert outcomes["sha256"].equals(pl.read_parquet(first["outcomes"] / "*.parquet")["sha256"])


def test_a_store_that_refuses_fails_the_delivery_in_one_line_and_finished_waves_stand(
    session: "SparkSession", tmp_path: Path
) -> None:
    port = free_port()
    images = tmp_path / "images"
    images.mkdir()
    # A folder where the picture file of the fourth shard belongs: it cannot be replaced by a file.
    (images / "shard-00003.parquet" / "in-the-way").mkdir(parents=True)
    with shop_of(HOSTS, {}.get, port) as shop:
        wanted = products(HOSTS, port, 100)
        engine = SparkDownload(session=session, wave_shards=2)
        with pytest.raises(
            SparkJobError, match=r"(?s)^shard-00002 to shard-00003 of 4 shards: .*cannot write"
        ) as raised:
            engine.download(wanted, **places(tmp_path), settings=SETTINGS)
        assert "\n" not in str(raised.value)
        before = shop.requests.copy()
        (images / "shard-00003.parquet" / "in-the-way").rmdir()
        (images / "shard-00003.parquet").rmdir()
        outcomes = engine.download(wanted, **places(tmp_path), settings=SETTINGS)
        assert outcomes.filter(status="ok").height == 98
        asked_again = {int(path[3:-4]) for path in shop.requests - before}
        assert asked_again
        assert min(asked_again) >= 50


def test_a_session_that_runs_already_is_not_taken_for_another(session: "SparkSession") -> None:
    assert Spark(master="local[2]").session is session
    # A setting of this test alone: those of sessions that ran before in this process outlive them.
    name = "spark.hadoop.shelfsight.wanted.here"
    with pytest.raises(RuntimeError, match=rf"{name} = None where 'yes' is wanted; stop it first"):
        _ = Spark(master="local[2]", config={name: "yes"}).session
