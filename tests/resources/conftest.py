"""Spark for tests: one session on this machine's cores, where there is Java."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

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
