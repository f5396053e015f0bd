"""A real cluster that loses executors in mid-download: one, or all of them."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.origin import free_port, loopback_hosts
from benchmarks.spark_cluster import Cluster, until
from catalog.images.shards import download_delivery
from demo.faults import Fault
from resources.spark import Spark
from resources.spark_download import SparkDownload
from resources.spark_jobs import SparkJobError
from tests.resources.deliveries import SETTINGS, image_files, picture, places, products, shop_of, stable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.end_to_end

HOSTS = loopback_hosts(12)
PATIENT = replace(SETTINGS, idle_timeout_s=10.0)  # with the shop that serves slowly


@pytest.fixture(scope="module")
def session(cluster: Cluster) -> "Iterator[SparkSession]":
    """Executors that a test may kill."""
    # Whoever fetches from a dead executor tries again soon, and soon gives up.
    config = {"spark.executor.memory": "512m", "spark.shuffle.io.retryWait": "200ms"}
    spark = Spark(master=cluster.master, config=config)
    cluster.wait_for(spark.session)
    yield spark.session
    spark.stop()


def slowly(picture_id: str) -> bytes:
    time.sleep(0.006)
    return picture(picture_id)


def test_an_executor_that_vanishes_costs_no_product(session: "SparkSession", cluster: Cluster, tmp_path: Path) -> None:
    port = free_port()
    faults = {"7": Fault.GONE, "30": Fault.TRUNCATED}
    with shop_of(HOSTS, faults.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 400)
        victims = cluster.executors()

        def kill() -> None:
            os.kill(victims[0], signal.SIGKILL)

        with when(lambda: shop.requests.total() > 100, kill):
            outcomes = SparkDownload(session=session).download(wanted, **places(tmp_path / "there"), settings=PATIENT)
        assert victims[0] not in cluster.executors()
        assert max(shop.requests.values()) == 2  # what the executor had got was lost with it
        here = download_delivery(wanted, **places(tmp_path / "here"), settings=PATIENT)
    assert stable(outcomes).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")


def test_a_cluster_that_vanishes_fails_the_delivery_and_the_next_run_resumes(
    session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    with shop_of(HOSTS, {}.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 175)
        engine = SparkDownload(session=session, wave_shards=3, lost_after_s=3.0)

        def kill_all() -> None:
            for worker in list(cluster.workers):
                cluster.kill_worker(worker)

        def has_begun_second_wave() -> bool:
            return all((tmp_path / "outcomes" / f"shard-0000{index}.parquet").exists() for index in range(3)) and any(
                f"/p/{number}.jpg" in shop.requests for number in range(75, 150)
            )

        with (
            when(has_begun_second_wave, kill_all),
            pytest.raises(SparkJobError, match="had no executor for 3 s; what is finished is kept") as raised,
        ):
            engine.download(wanted, **places(tmp_path), settings=PATIENT)
        assert "\n" not in str(raised.value)
        assert "shard-00003 to shard-00005 of 7 shards" in str(raised.value)

        for _ in range(2):
            cluster.start_worker()
        cluster.wait_for(session)
        before = shop.requests.copy()
        outcomes = engine.download(wanted, **places(tmp_path), settings=PATIENT)
        asked_again = {int(path.removeprefix("/p/").removesuffix(".jpg")) for path in shop.requests - before}
    assert outcomes.filter(status="ok").height == 171
    assert min(asked_again) >= 75


@contextmanager
def when(is_so: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Acts once something is so, while the block runs; a block that ends before it happened fails."""
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            until(is_so, "the moment to act")
            act()
        except BaseException as error:  # raised again below
            errors.append(error)

    watching = threading.Thread(target=watch)
    watching.start()
    yield
    watching.join()
    if errors:
        raise errors[0]
