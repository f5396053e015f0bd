"""Database: queries of the explorer's pages over the views of the warehouse, which can neither write nor reach a file.

The connection is that of `catalog.storage.read_only`: locked, without access outside the tables' folders. It stays
open, because a page cannot wait for a process of its own, and is opened again when the warehouse's file was replaced.
Every query ends at the time and memory limits of the settings. SQL is written in this package, and what a request
brings is a parameter.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from catalog.storage.read_only import (
    MAX_ATTEMPTS,
    QueryLimitError,
    QueryLimits,
    read_only_connection,
    stopped_at,
    too_long,
    too_much_memory,
)
from catalog.storage.statements import require_query
from shelfsight.explorer.errors import BusyError, MissingTableError

MAX_QUERIES = 4  # at once; others wait
WAIT_S = 10.0
VIEWS = "SELECT view_name FROM duckdb_views() WHERE NOT internal"

Result = TypeVar("Result")
Stamp = tuple[int, int, int] | None


class Database:
    """The warehouse of a store; one object serves all threads."""

    def __init__(self, file: Path, limits: QueryLimits) -> None:
        self.file = file
        self.limits = limits
        self._lock = threading.Lock()
        self._running = threading.BoundedSemaphore(MAX_QUERIES)
        self._open: _Opened | None = None

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Runs a query with `?` for every parameter and returns its rows.

        Raises:
            MissingTableError: there is no warehouse yet, or it lacks a view that the query reads.
            BusyError: too many queries run already.
            QueryLimitError: the query takes more time or memory than it may.
        """

        def run(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
            found = cursor.execute(sql, list(parameters))
            names = [column[0] for column in found.description]
            return [dict(zip(names, each, strict=True)) for each in found.fetchall()]

        return self._limited(sql, run)

    def row(self, sql: str, parameters: Sequence[object] = ()) -> dict[str, Any] | None:
        """Runs a query and returns its first row, or None without one."""
        return next(iter(self.rows(sql, parameters)), None)

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Runs a query and returns its rows as an Arrow table; it raises what `rows` raises."""

        def run(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
            result: Any = cursor.sql(sql, params=list(parameters))
            return result.to_arrow_table()

        return self._limited(sql, run)

    def has(self, *views: str) -> bool:
        """True where the warehouse has all of these views."""
        return set(views) <= self.views

    @property
    def views(self) -> frozenset[str]:
        """The names of the warehouse's views; none without a warehouse."""
        try:
            with self._borrowed() as opened:
                return opened.views
        except MissingTableError:
            return frozenset()

    def close(self) -> None:
        """Closes the connection once no query reads it."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            opened.retire()

    def _limited(self, sql: str, run: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """Runs a query when there is room for it."""
        _check(sql)
        if not self._running.acquire(timeout=WAIT_S):
            raise BusyError(f"{MAX_QUERIES} queries run already; try again in a second")
        try:
            return self._result(run)
        finally:
            self._running.release()

    def _result(self, run: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """Runs a query until it succeeds: one that reads a file while it is replaced fails and is repeated."""
        ends_at = time.monotonic() + self.limits.timeout_s
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self._borrowed() as opened, opened.cursor() as cursor, stopped_at(ends_at, cursor):
                    return run(cursor)
            except duckdb.CatalogException as error:
                raise MissingTableError(_missing(str(error))) from error
            except duckdb.Error as error:
                if time.monotonic() >= ends_at:
                    raise QueryLimitError(too_long(self.limits)) from None
                if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in str(error):
                    raise QueryLimitError(too_much_memory(self.limits)) from None
                if attempt == MAX_ATTEMPTS or isinstance(error, duckdb.ProgrammingError | duckdb.DataError):
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _borrowed(self) -> Iterator["_Opened"]:
        """Yields the open connection of the warehouse's present file."""
        with self._lock:
            stamp = _stamp(self.file)
            if self._open is not None and self._open.stamp != stamp:
                self._open.retire()
                self._open = None
            if stamp is None:
                raise MissingTableError("warehouse")
            if self._open is None:
                self._open = _Opened(self.file, self.limits, stamp)
            opened = self._open
            opened.enter()
        try:
            yield opened
        finally:
            opened.leave()


class _Opened:
    """A connection with the number of its readers; a retired one closes when the last of them leaves."""

    def __init__(self, file: Path, limits: QueryLimits, stamp: Stamp) -> None:
        self.stamp = stamp
        self._stack = ExitStack()
        self._connection = self._stack.enter_context(read_only_connection(file, limits))
        self.views = frozenset(name for (name,) in self._connection.execute(VIEWS).fetchall())
        self._lock = threading.Lock()
        self._num_readers = 0
        self._is_retired = False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Returns a connection for one thread, with the same limits."""
        cursor = self._connection.cursor()
        cursor.execute("USE catalog")
        return cursor

    def enter(self) -> None:
        with self._lock:
            self._num_readers += 1

    def leave(self) -> None:
        with self._lock:
            self._num_readers -= 1
            is_last = self._is_retired and self._num_readers == 0
        if is_last:
            self._stack.close()

    def retire(self) -> None:
        with self._lock:
            self._is_retired = True
            is_unread = self._num_readers == 0
        if is_unread:
            self._stack.close()


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=512)
def _check(sql: str) -> None:
    """Refuses what is not one query over views; every text of this package is checked once."""
    require_query(sql)


def _missing(message: str) -> str:
    """The name of the view that a message of DuckDB is about."""
    words = message.split("Table with name ")
    return words[1].split(" ")[0] if len(words) > 1 else "view"
