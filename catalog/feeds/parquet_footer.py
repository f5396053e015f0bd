"""Parquet footers: read in a process of their own first, because the library ends the process at some damaged ones.

Arrow's reader turns errors of a file into exceptions, but not those that it meets when Python reads the metadata of
a column: it aborts, and would take every other feed's work with it. A footer that has passed here passes again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.storage.worker_environment import worker_environment

MODULE = "catalog.feeds.parquet_footer"
TIMEOUT_S = 120.0
MAX_PASSED = 10_000  # footers that are remembered: a feed is read a few times
_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the length of the footer, and the magic number
_UNREADABLE = 3  # exit code of the process: the library has raised an exception
_passed: set[bytes] = set()  # digests of footers


def check_footer(source: BinaryIO) -> None:
    """Checks that the library can read a file's metadata without ending its process; other faults pass.

    Raises:
        pa.ArrowInvalid: It cannot.
        RuntimeError: The process that finds out cannot work.
    """
    num_bytes = source.seek(0, os.SEEK_END)
    source.seek(max(0, num_bytes - _TAIL_BYTES))
    tail = source.read(_TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if not tail.endswith(_MAGIC) or length > num_bytes - _TAIL_BYTES:
        return  # the library says so
    source.seek(num_bytes - _TAIL_BYTES - length)
    footer = source.read(length)
    digest = hashlib.sha256(footer).digest()
    if digest in _passed:
        return
    if not _is_readable(footer):
        raise pa.ArrowInvalid("its footer is damaged")
    if len(_passed) == MAX_PASSED:
        _passed.clear()
    _passed.add(digest)


def _is_readable(footer: bytes) -> bool:
    try:
        ended = subprocess.run(  # noqa: S603 our own
            [sys.executable, "-P", "-m", MODULE],
            input=footer,
            env=worker_environment(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if ended.returncode > 0 and ended.returncode != _UNREADABLE:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {ended.returncode}"
        raise RuntimeError(f"the process that checks Parquet footers failed ({reason}); install this project again")
    return ended.returncode >= 0  # an exception is raised again, and named, where the file is read


def main() -> None:
    """Reads the metadata of each column of the footer that comes in."""
    footer = sys.stdin.buffer.read()
    whole = b"".join([_MAGIC, footer, len(footer).to_bytes(4, "little"), _MAGIC])
    try:
        metadata = pq.read_metadata(pa.BufferReader(whole))
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for column in range(row_group.num_columns):
                chunk = row_group.column(column)
                _ = chunk.total_compressed_size, chunk.total_uncompressed_size, chunk.num_values
    except Exception:  # any that the library raises, which the reader of the file meets and names
        sys.exit(_UNREADABLE)


if __name__ == "__main__":
    main()
