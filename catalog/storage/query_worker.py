"""Query worker: a process that runs one query of a person on the warehouse.

Started by `catalog.storage.bounded_query` as `python -m catalog.storage.query_worker`. It reads the request from stdin,
as JSON, and writes the rows to stdout, as an Arrow stream, or an error to stderr, as JSON. Its address space and its
processor time are limited, because DuckDB neither counts nor interrupts everything: repeat('x', 2000000000) takes
gigabytes, and a minute, within one row.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path

import duckdb

from catalog.storage.read_only import QueryLimitError, QueryLimits, query, too_much_memory

SPARE_BYTES = 512 << 20  # address space beside the query and its result, which take most
THREAD_BYTES = 80 << 20  # of address space for the stack and the heap of a thread
ERROR_EXIT = 3


def limit_this_process(limits: QueryLimits) -> None:
    """Limits the address space and the processor time of this process, and forbids core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = math.ceil((limits.timeout_s + 1) * limits.threads)
    _limit(resource.RLIMIT_CPU, seconds)
    try:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):  # systems without /proc have no limit
        return
    _limit(resource.RLIMIT_AS, mapped + 2 * limits.memory_bytes + SPARE_BYTES + THREAD_BYTES * limits.threads)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def main() -> int:
    """Runs the query of the request; returns the exit code."""
    request = json.loads(sys.stdin.buffer.read())
    limits = QueryLimits(**request["limits"])
    limit_this_process(limits)
    try:
        rows = query(Path(request["database"]), request["sql"], limits=limits)
        rows.write_ipc_stream(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except MemoryError:
        return _failed("limit", too_much_memory(limits))
    except QueryLimitError as error:
        return _failed("limit", str(error))
    except (duckdb.Error, ValueError, OSError) as error:
        return _failed("query", str(error))
    return 0


def _failed(kind: str, message: str) -> int:
    sys.stderr.write(json.dumps({"kind": kind, "message": message}))
    return ERROR_EXIT


if __name__ == "__main__":
    sys.exit(main())
