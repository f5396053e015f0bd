"""Spark for tests: one session on this machine's cores."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from resources.spark import Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def session() -> "Iterator[SparkSession]":
    """A session with two tasks at once."""
    spark = Spark(master="local[2]")
    yield spark.session
    spark.stop()
