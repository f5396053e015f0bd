"""A real cluster that loses executors during a download: one, or all of them."""

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
from catalog.download.delivery import DownloadOptions, download_delivery
from demo.faults import Fault
from resources.spark.download import SparkEngine
from resources.spark.jobs import SparkJobError
from resources.spark.session import Spark
from tests.resources.deliveries import SETTINGS, image, image_files, products, shop_of, stable, tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.end_to_end

HOSTS = loopback_hosts(12)
PATIENT = replace(SETTINGS, idle_timeout_s=10.0)  # for the slow shop


@pytest.fixture(scope="module")
def session(cluster: Cluster) -> "Iterator[SparkSession]":
    """Executors that a test may kill."""
    # Fetches of shuffle data from a dead executor are retried soon, and given up soon.
    config = {"spark.executor.memory": "512m", "spark.shuffle.io.retryWait": "200ms"}
    spark = Spark(master=cluster.master, config=config)
    cluster.wait_for(spark.session)
    yield spark.session
    spark.stop()


def slowly(image_id: str) -> bytes:
    time.sleep(0.006)
    return image(image_id)


def test_lost_executor_costs_no_product(session: "SparkSession", cluster: Cluster, tmp_path: Path) -> None:
    port = free_port()
    faults = {"7": Fault.GONE, "30": Fault.TRUNCATED}
    with shop_of(HOSTS, faults.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 400)
        victims = cluster.executors()

        def kill() -> None:
            os.kill(victims[0], signal.SIGKILL)

        with when(lambda: shop.requests.total() > 100, kill):
            options = DownloadOptions(engine=SparkEngine(session=session))
            outcomes = download_delivery(wanted, **tables(tmp_path / "there"), settings=PATIENT, options=options)
        assert victims[0] not in cluster.executors()
        assert max(shop.requests.values()) == 2  # what the executor had fetched was lost with it
        here = download_delivery(wanted, **tables(tmp_path / "here"), settings=PATIENT)
    assert stable(outcomes).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")


def test_lost_cluster_fails_the_delivery_and_the_next_run_resumes(
    session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    with shop_of(HOSTS, {}.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 175)
        options = DownloadOptions(engine=SparkEngine(session=session, wave_shards=3, lost_after_s=3.0))

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
            download_delivery(wanted, **tables(tmp_path), settings=PATIENT, options=options)
        assert "\n" not in str(raised.value)
        assert "shard-00003 to shard-00005 of 7 shards" in str(raised.value)

        for _ in range(2):
            cluster.start_worker()
        cluster.wait_for(session)
        before = shop.requests.copy()
        outcomes = download_delivery(wanted, **tables(tmp_path), settings=PATIENT, options=options)
        refetched = {int(path.removeprefix("/p/").removesuffix(".jpg")) for path in shop.requests - before}
    assert outcomes.filter(status="ok").height == 171
    assert min(refetched) >= 75


@contextmanager
def when(condition: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Acts once a condition is true, while the block runs; fails if the block ends before that."""
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            until(condition, "the moment to act")
            act()
        except BaseException as error:  # raised again below
            errors.append(error)

    watching = threading.Thread(target=watch)
    watching.start()
    yield
    watching.join()
    if errors:
        raise errors[0]
