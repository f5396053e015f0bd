"""A real cluster whose workers know nothing of this project, and whose slow tasks Spark copies."""

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
from catalog.images.politeness import Politeness
from catalog.images.shards import download_delivery
from demo.faults import Fault, fault_of
from resources.spark import Spark
from resources.spark_download import SparkDownload
from resources.spark_environment import build
from tests.resources.deliveries import SETTINGS, image_files, places, products, shop_of, stable

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


def test_executors_run_what_was_shipped_to_them_and_leave_the_local_engine_s_files(
    session: "SparkSession", cluster: Cluster, tmp_path: Path
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
    told = session.range(2, numPartitions=2).mapInArrow(tell, "prefix string, module string, is_heavy boolean")
    for row in told.collect():
        assert row.prefix.startswith(str(cluster.place))
        assert row.module.startswith(row.prefix)
        assert not row.is_heavy
    with shop_of(HOSTS, seeded, port):
        engine = SparkDownload(session=session)
        there = engine.download(wanted, **places(tmp_path / "there"), settings=SETTINGS)
    assert stable(there).equals(stable(here))
    assert image_files(tmp_path / "there") == image_files(tmp_path / "here")
    # Without the archive they could not have: their own Python does not know the project.
    own = subprocess.run(["python3", "-c", "import catalog"], cwd=cluster.place, env=cluster.environment(), check=False)
    assert own.returncode != 0


def test_spark_may_copy_slow_tasks_and_yet_each_link_is_asked_for_once(session: "SparkSession", tmp_path: Path) -> None:
    slow_host = Politeness(max_connections=1, rate_per_s=40.0)
    settings = replace(SETTINGS, host_limits={HOSTS[0]: slow_host})
    port = free_port()
    with shop_of(HOSTS, {}.get, port) as shop:
        wanted = products(HOSTS, port, 200)
        outcomes = SparkDownload(session=session).download(wanted, **places(tmp_path), settings=settings)
        assert set(shop.requests.values()) == {1}
        # A copy that Spark kills may leave what it had begun, hidden from readers; a later look removes it.
        for abandoned in tmp_path.rglob("*.writing"):
            os.utime(abandoned, (0, 0))
        SparkDownload(session=session).download(wanted, **places(tmp_path), settings=settings)
        assert set(shop.requests.values()) == {1}
    assert outcomes.filter(status="ok").height == 196
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet"}
