"""Spark for tests, where there is Java: a session on this machine's cores, and a real cluster."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.spark_cluster import Cluster, running
from ml.deployment.variants import Machine
from resources.predictor import BATCH_SIZE
from resources.spark.session import Spark
from tests.build_cache import cached
from tests.ml.deployment import random_deployment as random_deployment_module

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VERSION = "0123456789abcdef"


@pytest.fixture(scope="session")
def local_spark() -> Iterator[Spark]:
    """Spark with two tasks at once, for all tests of a process; without Java they are skipped."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java; install 17 or newer")
    spark = Spark(master="local[2]")
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def session(local_spark: Spark) -> "SparkSession":
    """The session of `local_spark`, started anew where a cluster's or a run's has taken its place."""
    from pyspark.sql import SparkSession

    if SparkSession.getActiveSession() is None:
        local_spark.stop()
    return local_spark.session


@pytest.fixture(scope="session")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers."""
    with running(tmp_path_factory.mktemp("spark") / "cluster", num_workers=2) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(local_spark: Spark, started_cluster: Cluster) -> Cluster:
    """The cluster, for the one session that a process has."""
    local_spark.stop()
    return started_cluster


@pytest.fixture(scope="session")
def random_deployment() -> Path:
    """A deployment of random weights: its export takes half a minute."""
    builder = Path(random_deployment_module.__file__)
    folder = cached("random_deployment", builder, lambda folder: _deploy(folder / VERSION))
    return folder / VERSION


def _deploy(folder: Path) -> None:
    random_deployment_module.deploy_random(folder, "conditional", Machine(batch_size=BATCH_SIZE))
