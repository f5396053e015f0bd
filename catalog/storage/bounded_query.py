"""Bounded query: a query of a person in a process of its own, which ends at its limits whatever DuckDB does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import polars as pl

from catalog.storage.query_worker import ERROR_EXIT
from catalog.storage.read_only import DEFAULT_LIMITS, QueryLimitError, QueryLimits, too_long, too_much_memory
from catalog.storage.statements import require_query
from catalog.storage.worker_environment import worker_environment

WORKER = "catalog.storage.query_worker"
START_TIMEOUT_S = 20.0  # beside the query's own time, also to pass on its rows
# By which the clients of remote stores find their service and credentials; a query cannot read them.
STORE_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_", "GCSFS_", "FSSPEC_", "HF_ENDPOINT", "HOME", "SSL_CERT", "REQUESTS_CA")


def bounded_query(database: Path, sql: str, limits: QueryLimits = DEFAULT_LIMITS) -> pl.DataFrame:
    """Runs one query of a person and returns its rows.

    Raises:
        FileNotFoundError: there is no warehouse yet.
        StatementRefusedError: it is not one query over the views; no process is started for it.
        QueryLimitError: it takes more time or memory than it may.
        ValueError: the query is wrong, or keeps failing.
        duckdb.ParserException: it is no SQL.
    """
    require_query(sql)
    if not database.is_file():
        raise FileNotFoundError(f"no warehouse at {str(database)!r}; materialize the asset warehouse")
    request = {"database": str(database), "sql": sql, "limits": asdict(limits)}
    try:
        done = subprocess.run(  # noqa: S603 our own module, no shell
            [sys.executable, "-P", "-m", WORKER],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limits.timeout_s + START_TIMEOUT_S,
            env=_environment(os.environ),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise QueryLimitError(too_long(limits)) from None
    if done.returncode == ERROR_EXIT:
        failure = json.loads(done.stderr)
        raise (QueryLimitError if failure["kind"] == "limit" else ValueError)(failure["message"])
    if done.returncode == -signal.SIGXCPU:
        raise QueryLimitError(too_long(limits))
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise QueryLimitError(
            f"the process of the query ended with code {done.returncode} ({reason[0]}); most likely "
            f"{too_much_memory(limits)}"
        )
    return pl.read_ipc_stream(done.stdout)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    of_store = {name: value for name, value in environment.items() if name.upper().startswith(STORE_VARIABLES)}
    return {**of_store, **worker_environment(environment)}
