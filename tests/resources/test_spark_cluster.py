"""A real cluster: workers that know nothing of this project, that vanish in mid-download, whose tasks Spark copies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from benchmarks.origin import free_port, loopback_hosts
from benchmarks.spark_cluster import Cluster, running, until
from catalog.images.politeness import Politeness
from catalog.images.shards import download_delivery
from demo.faults import Fault, fault_of
from resources.spark import Spark
from resources.spark_download import SparkDownload
from resources.spark_environment import build
from resources.spark_jobs import SparkJobError
from tests.resources.deliveries import (
    SETTINGS,
    image_files,
    picture,
    places,
    products,
    shop_of,
    stable,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.end_to_end

HOSTS = loopback_hosts(12)
PATIENT = replace(SETTINGS, idle_timeout_s=10.0)  # with the shop that serves slowly
# Tasks are copied as soon as one is a little slower than the others.
EAGER_COPIES = {
    "spark.speculation": "true",
    "spark.speculation.interval": "10ms",
    "spark.speculation.multiplier": "1.01",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "0ms",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("spark") / "cluster", num_workers=2) as started:
        yield started


@contextmanager
def session_on(
    cluster: Cluster, environment: Path | None = None, config: dict[str, str] | None = None
) -> "Iterator[SparkSession]":
    """A session with an executor on every worker."""
    settings = {"spark.executor.memory": "512m", **(config or {})}
    spark = Spark(master=cluster.master, environment=str(environment or ""), config=settings)
    try:
        cluster.wait_for(spark.session)
        yield spark.session
    finally:
        spark.stop()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What brings this project to executors."""
    path = tmp_path_factory.mktemp("environment") / "environment.tar.gz"
    build(path)
    return path


@pytest.fixture(scope="module")
def copying_session(cluster: Cluster, archive: Path) -> "Iterator[SparkSession]":
    """Executors in the shipped environment, their slow tasks copied."""
    with session_on(cluster, archive, EAGER_COPIES) as session:
        yield session


@pytest.fixture(scope="module")
def mortal_session(cluster: Cluster) -> "Iterator[SparkSession]":
    """Executors that a test may kill."""
    with session_on(cluster) as session:
        yield session


def slowly(picture_id: str) -> bytes:
    time.sleep(0.006)
    return picture(picture_id)


def test_executors_run_what_was_shipped_to_them_and_leave_the_local_engine_s_files(
    copying_session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    wanted = products(HOSTS, port, 200)

    def seeded(picture_id: str) -> Fault | None:
        return fault_of(picture_id, seed=7)

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:  # runs on an executor
        import catalog

        is_heavy = [name in sys.modules for name in ("torch", "dagster")]
        yield pa.RecordBatch.from_pylist(
            [{"prefix": sys.prefix, "module": catalog.__file__, "is_heavy": any(is_heavy)}]
        )

    with shop_of(HOSTS, seeded, port):
        here = download_delivery(wanted, **places(tmp_path / "here"), settings=SETTINGS)
    told = copying_session.range(2, numPartitions=2).mapInArrow(tell, "prefix string, module string, is_heavy boolean")
    for row in told.collect():
        assert row.prefix.startswith(str(cluster.place))
        assert row.module.startswith(row.prefix)
        assert not row.is_heavy
    with shop_of(HOSTS, seeded, port):
        engine = SparkDownload(session=copying_session)
        there = engine.download(wanted, **places(tmp_path / "there"), settings=SETTINGS)
    assert stable(there).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")
    # Without the archive they could not have: their own Python does not know the project.
    own = subprocess.run(["python3", "-c", "import catalog"], cwd=cluster.place, env=cluster.environment(), check=False)
    assert own.returncode != 0


def test_spark_may_copy_slow_tasks_and_yet_each_link_is_asked_for_once(
    copying_session: "SparkSession", tmp_path: Path
) -> None:
    slow_host = Politeness(max_connections=1, rate_per_s=40.0)
    settings = replace(SETTINGS, host_limits={HOSTS[0]: slow_host})
    port = free_port()
    with shop_of(HOSTS, {}.get, port) as shop:
        wanted = products(HOSTS, port, 200)
        outcomes = SparkDownload(session=copying_session).download(wanted, **places(tmp_path), settings=settings)
        assert set(shop.requests.values()) == {1}
    assert outcomes.filter(status="ok").height == 196
    assert not list(tmp_path.rglob("*.writing"))


def test_an_executor_that_vanishes_costs_no_product(
    mortal_session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    faults = {"7": Fault.GONE, "30": Fault.TRUNCATED}
    with shop_of(HOSTS, faults.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 400)
        victims = cluster.executors()

        def kill() -> None:
            os.kill(victims[0], signal.SIGKILL)

        with when(lambda: shop.requests.total() > 100, kill):
            outcomes = SparkDownload(session=mortal_session).download(
                wanted, **places(tmp_path / "there"), settings=PATIENT
            )
        assert victims[0] not in cluster.executors()
        assert max(shop.requests.values()) == 2  # what the executor had got was lost with it
        here = download_delivery(wanted, **places(tmp_path / "here"), settings=PATIENT)
    assert stable(outcomes).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")


def test_a_cluster_that_vanishes_fails_the_delivery_and_the_next_run_resumes(
    mortal_session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    with shop_of(HOSTS, {}.get, port, slowly) as shop:
        wanted = products(HOSTS, port, 175)
        engine = SparkDownload(session=mortal_session, wave_shards=3, lost_after_s=3.0)

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
        cluster.wait_for(mortal_session)
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
