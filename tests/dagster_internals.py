"""Dagster's private names that tests use, each with the reason; no other test imports a private module of it."""

# What a run imports late: a process that is forked for a run has them already.
import dagster._core.execution.execute_in_process
import dagster._core.storage.sqlite_storage  # noqa: F401

# The commands, as `deploy/` starts them: a container cannot be started here, but its words can be parsed.
from dagster._cli import create_dagster_cli

# What a step is ended with when its run is canceled.
from dagster._core.errors import DagsterExecutionInterruptedError

# An event with a time of its own, or with the process of a run: the public API records only what happens now.
from dagster._core.events import DagsterEvent, EngineEventData

# What Dagster stores of the definitions, which must hold no secret.
from dagster._core.remote_representation.external_data import RepositorySnap

# The tag that its queue sorts runs by.
from dagster._core.storage.tags import PRIORITY_TAG
from dagster._daemon.cli import create_dagster_daemon_cli, run_command

__all__ = [
    "PRIORITY_TAG",
    "DagsterEvent",
    "DagsterExecutionInterruptedError",
    "EngineEventData",
    "RepositorySnap",
    "create_dagster_cli",
    "create_dagster_daemon_cli",
    "run_command",
]
