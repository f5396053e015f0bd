"""Read-only connection: the warehouse for SQL that a person writes, which reads its views and nothing else.

Three things hold together. `catalog.storage.statements` admits one query over views. The connection reaches only the
folders of the tables, no network, no extension, no variable of Python, and its configuration is locked. Time, memory
and the size of the result are limited; `catalog.storage.bounded_query` runs it in a process of its own, which limits
also what DuckDB does not interrupt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import polars as pl
import pyarrow as pa

from catalog.storage.cores import num_cores
from catalog.storage.documents import DOCUMENTS
from catalog.storage.files import LOCAL_PROTOCOLS
from catalog.storage.statements import require_query
from catalog.storage.tables import TABLES

ROOT_MACRO = "store_root"  # of the DuckDB file: the store whose tables its views read
BATCH_ROWS = 10_000
MAX_ATTEMPTS = 5
INTERRUPT_EVERY_S = 0.05
# The protocols of the URLs that the views read.
PROTOCOLS = r"""
SELECT DISTINCT regexp_extract(sql, '[^a-z0-9]([a-z0-9]+)://', 1) FROM duckdb_views() WHERE sql LIKE '%://%'
"""
_FINAL = (  # another attempt cannot help
    duckdb.ProgrammingError,
    duckdb.PermissionException,
    duckdb.DataError,
)


class QueryLimitError(ValueError):
    """A query that takes more time or memory than it may; the message names the limit and the setting."""


@dataclass(frozen=True, kw_only=True)
class QueryLimits:
    """Limits of one query. The result, which DuckDB does not count, may take as many bytes as the query."""

    timeout_s: float = 60.0
    memory_bytes: int = 1 << 30
    num_threads: int = 0  # 0: as many as there are cores

    @property
    def threads(self) -> int:
        """The number of threads."""
        return self.num_threads or num_cores()


DEFAULT_LIMITS = QueryLimits()


@contextmanager
def read_only_connection(database: Path, limits: QueryLimits = DEFAULT_LIMITS) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens the warehouse for queries of a person; check each with `require_query` before it runs.

    The DuckDB file is attached to a database of the connection's own, so that no other connection of this process
    shares the locked configuration. Nothing is written to disk: a query that needs more memory fails.

    Raises:
        FileNotFoundError: there is no warehouse yet.
        ValueError: the warehouse is of an earlier version, over a remote store.
    """
    if not database.is_file():
        raise FileNotFoundError(f"no warehouse at {str(database)!r}; materialize the asset warehouse")
    with duckdb.connect(":memory:", config={"python_enable_replacements": "false"}) as connection:
        connection.execute(f"ATTACH {literal(str(database))} AS catalog (READ_ONLY)")
        connection.execute("USE catalog")
        protocols = {protocol for (protocol,) in connection.execute(PROTOCOLS).fetchall()}
        register_filesystems(connection, protocols)
        folders = allowed_folders(_root(connection, database, protocols))
        for name, value in {
            "allowed_directories": f"[{', '.join(map(literal, folders))}]",
            "temp_directory": "''",
            "memory_limit": f"'{limits.memory_bytes}B'",
            "threads": str(limits.threads),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "enable_external_access": "false",
            "lock_configuration": "true",
        }.items():
            connection.execute(f"SET {name} = {value}")
        yield connection


def query(
    database: Path, sql: str, parameters: Sequence[object] = (), limits: QueryLimits = DEFAULT_LIMITS
) -> pl.DataFrame:
    """Runs one query of a person, with `?` for every parameter, and returns its rows.

    DuckDB opens a file once for its footer and again for its rows, so a query that reads a file while it is replaced
    fails; it is repeated within the same time.

    Raises:
        FileNotFoundError: there is no warehouse yet.
        StatementRefusedError: it is not one query over the views.
        QueryLimitError: it takes more time or memory than it may.
        duckdb.Error: the query is wrong, or keeps failing.
    """
    require_query(sql)
    ends_at = time.monotonic() + limits.timeout_s
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with read_only_connection(database, limits) as connection, stopped_at(ends_at, connection):
                return _rows(connection, sql, parameters, limits)
        except (duckdb.Error, MemoryError, OSError, pa.ArrowException) as error:  # the last two from reading rows
            if time.monotonic() >= ends_at:
                raise QueryLimitError(too_long(limits)) from None
            if isinstance(error, duckdb.OutOfMemoryException | MemoryError) or "Out of Memory" in str(error):
                raise QueryLimitError(too_much_memory(limits)) from None
            if attempt == MAX_ATTEMPTS or isinstance(error, _FINAL):
                raise
    raise AssertionError("unreachable")


def too_long(limits: QueryLimits) -> str:
    """The message of a query that takes more time than it may."""
    return f"the query was stopped after {limits.timeout_s:g} s; narrow it, or raise query_timeout_s"


def too_much_memory(limits: QueryLimits) -> str:
    """The message of a query that needs more memory than it may."""
    return (
        f"the query needs more than {limits.memory_bytes / 2**30:g} GiB of memory; aggregate, add a LIMIT, or raise "
        "query_memory_gib"
    )


def allowed_folders(root: str) -> list[str]:
    """Returns the folders whose files the views read.

    DuckDB compares the patterns of the views with them as they are written, and the files that it opens by their real
    places; so a folder of a local store counts in its own spelling, as a pattern, and where a link leads.
    """
    names = {*TABLES, *(files.split("/")[0] for documents in DOCUMENTS.values() for files in documents.files)}
    folders = [f"{root.rstrip('/')}/{name}" for name in sorted(names)]
    real = [] if "://" in root else [str(Path(folder).resolve()) for folder in folders]
    return list(dict.fromkeys([*folders, *map(escaped_pattern, folders), *real]))


def escaped_pattern(path: str) -> str:
    """Returns a path whose wildcards stand for themselves in a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def literal(text: str) -> str:
    """Returns a text as a SQL literal, for statements that take no parameters."""
    return "'{}'".format(text.replace("'", "''"))


def register_filesystems(connection: duckdb.DuckDBPyConnection, protocols: Collection[str]) -> None:
    """Registers the fsspec file systems of these protocols, so that DuckDB reads a remote store as Python does."""
    for protocol in set(protocols) - set(LOCAL_PROTOCOLS):
        connection.register_filesystem(fsspec.filesystem(protocol, use_listings_cache=False))


def _root(connection: duckdb.DuckDBPyConnection, database: Path, protocols: Collection[str]) -> str:
    """The store that the views read: as the file records it; without a record it is the folder of the file."""
    try:
        return str(connection.execute(f"SELECT catalog.main.{ROOT_MACRO}()").fetchall()[0][0])
    except duckdb.CatalogException:
        if set(protocols) - set(LOCAL_PROTOCOLS):
            raise ValueError(f"{database} is of an earlier version; materialize the asset warehouse again") from None
        return str(database.absolute().parent)


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object], limits: QueryLimits
) -> pl.DataFrame:
    """Runs the query and reads its rows in batches; raises MemoryError where they take more bytes than they may."""
    result: Any = connection.sql(sql, params=list(parameters))
    reader = result.to_arrow_reader(BATCH_ROWS)
    batches, num_bytes = [], 0
    for batch in reader:
        num_bytes += batch.nbytes
        if num_bytes > limits.memory_bytes:
            raise MemoryError
        batches.append(batch)
    return pl.DataFrame(pa.Table.from_batches(batches, reader.schema))


@contextmanager
def stopped_at(ends_at: float, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupts what the connection does in the block, from that time on, until the block ends."""
    ended = threading.Event()

    def interrupt() -> None:
        wait_s = max(0.0, ends_at - time.monotonic())
        while not ended.wait(wait_s):
            connection.interrupt()  # again and again: between two steps of a query it has no effect
            wait_s = INTERRUPT_EVERY_S

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
