"""Spark for tests, where there is Java: a session on this machine's cores, and a real cluster."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from benchmarks.spark_cluster import Cluster, running
from resources.spark import Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="package", autouse=True)
def java() -> None:
    """Spark runs on it."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java; install 17 or newer")


@pytest.fixture(scope="module")
def session() -> "Iterator[SparkSession]":
    """A session with two tasks at once."""
    spark = Spark(master="local[2]")
    yield spark.session
    spark.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers."""
    with running(tmp_path_factory.mktemp("spark") / "cluster", num_workers=2) as started:
        yield started
