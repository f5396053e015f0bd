"""A real cluster whose workers have no environment of this project, and whose slow tasks Spark copies."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from benchmarks.origin import free_port, loopback_hosts
from benchmarks.spark_cluster import Cluster
from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.download.host_limiter import Politeness
from demo.faults import Fault, fault_of
from resources.spark.download import SparkEngine
from resources.spark.environment import build
from resources.spark.session import Spark
from tests.resources.deliveries import SETTINGS, image_files, products, shop_of, stable, tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.end_to_end

HOSTS = loopback_hosts(12)
# Tasks are copied as soon as one is a little slower than the others.
EAGER_COPIES = {
    "spark.speculation": "true",
    "spark.speculation.interval": "10ms",
    "spark.speculation.multiplier": "1.01",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "0ms",
}


@pytest.fixture(scope="module")
def session(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """Executors in the shipped environment, their slow tasks copied."""
    archive = tmp_path_factory.mktemp("environment") / "environment.tar.gz"
    build(archive)
    spark = Spark(
        master=cluster.master, environment=str(archive), config={"spark.executor.memory": "512m", **EAGER_COPIES}
    )
    cluster.wait_for(spark.session)
    yield spark.session
    spark.stop()


def test_executors_run_the_shipped_code_and_write_the_same_files(
    session: "SparkSession", cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    wanted = products(HOSTS, port, 200)

    def seeded(image_id: str) -> Fault | None:
        return fault_of(image_id, seed=7)

    def inspect(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:  # runs on an executor
        import catalog

        is_heavy = [name in sys.modules for name in ("torch", "dagster")]
        yield pa.RecordBatch.from_pylist(
            [{"prefix": sys.prefix, "module": catalog.__file__, "is_heavy": any(is_heavy)}]
        )

    with shop_of(HOSTS, seeded, port):
        here = download_delivery(wanted, **tables(tmp_path / "here"), settings=SETTINGS)
    found = session.range(2, numPartitions=2).mapInArrow(inspect, "prefix string, module string, is_heavy boolean")
    for row in found.collect():
        assert row.prefix.startswith(str(cluster.folder))
        assert row.module.startswith(row.prefix)
        assert not row.is_heavy
    with shop_of(HOSTS, seeded, port):
        options = DownloadOptions(engine=SparkEngine(session=session))
        there = download_delivery(wanted, **tables(tmp_path / "there"), settings=SETTINGS, options=options)
    assert stable(there).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")
    # Without the archive they could not: their own Python cannot import the project.
    own = subprocess.run(
        ["python3", "-c", "import catalog"], cwd=cluster.folder, env=cluster.environment(), check=False
    )
    assert own.returncode != 0


def test_each_link_is_fetched_once_though_spark_copies_slow_tasks(session: "SparkSession", tmp_path: Path) -> None:
    slow_host = Politeness(max_connections=1, rate_per_s=40.0)
    settings = replace(SETTINGS, host_limits={HOSTS[0]: slow_host})
    port = free_port()
    with shop_of(HOSTS, {}.get, port) as shop:
        wanted = products(HOSTS, port, 200)
        options = DownloadOptions(engine=SparkEngine(session=session))
        outcomes = download_delivery(wanted, **tables(tmp_path), settings=settings, options=options)
        assert set(shop.requests.values()) == {1}
        # A copy that Spark kills may leave an unfinished file, hidden from readers; a later run removes it.
        for abandoned in tmp_path.rglob("*.writing"):
            os.utime(abandoned, (0, 0))
        download_delivery(wanted, **tables(tmp_path), settings=settings, options=options)
        assert set(shop.requests.values()) == {1}
    assert outcomes.filter(status="ok").height == 196
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet"}
