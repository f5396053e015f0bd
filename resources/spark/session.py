"""Spark: a session on any master, with executors in the environment that the project's functions need."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

if TYPE_CHECKING:  # importing it takes a second, and starting a session a JVM
    from dagster_pyspark import LazyPySparkResource
    from pyspark.sql import SparkSession

ENVIRONMENT = "environment"  # the folder into which an archive is unpacked, in an executor's working folder
_LOOPBACK_MASTERS = ("local", "spark://127.", "spark://localhost")


class Spark(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A session on ``master``: ``local[*]``, ``spark://host:7077``, ``k8s://...``, ``yarn``; started at its first use.

    ``environment`` is an archive that `python -m resources.spark.environment` built, a path or a URL that Spark reads;
    without one executors run this Python, as they can on this machine. Spark's own settings are read from
    ``spark-defaults.conf`` in ``SPARK_CONF_DIR``; `config` overrides them.
    """

    master: str = "local[*]"
    environment: str = ""
    config: dict[str, str] = {}  # noqa: RUF012 a pydantic default is copied

    _lazy: LazyPySparkResource | None = PrivateAttr(default=None)

    @property
    def session(self) -> SparkSession:
        """The session; the first access starts it, which takes some seconds."""
        from dagster_pyspark import LazyPySparkResource

        if self._lazy is None:
            # Spark has no setting for this, only the variable, and ships its value to every executor.
            os.environ["PYSPARK_PYTHON"] = f"./{ENVIRONMENT}/bin/python" if self.environment else sys.executable
            self._lazy = LazyPySparkResource(spark_config=self._settings())
            context = self._lazy.spark_session.sparkContext
            context.setLogLevel("ERROR")  # failures are reported where they are raised
            for name, value in self._settings().items():
                if (found := context.getConf().get(name)) != value:
                    raise RuntimeError(
                        f"this process has a Spark session already, with {name} = {found!r} where {value!r} is wanted; "
                        "stop it first"
                    )
        session: SparkSession = self._lazy.spark_session
        return session

    def stop(self) -> None:
        """Stops the session, which frees the cluster's cores."""
        if self._lazy is not None:
            self._lazy.spark_session.stop()
            self._lazy = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the session at the end of a run."""
        self.stop()

    def _settings(self) -> dict[str, Any]:
        settings = {
            "spark.master": self.master,
            "spark.app.name": "shelfsight",
            "spark.ui.enabled": "false",  # it would listen on every address
            "spark.ui.showConsoleProgress": "false",
            # The assignment of rows to tasks must not change.
            "spark.sql.adaptive.enabled": "false",
        }
        if self.master.startswith(_LOOPBACK_MASTERS):
            settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
        if self.environment:
            settings["spark.archives"] = f"{self.environment}#{ENVIRONMENT}"
        return settings | self.config
