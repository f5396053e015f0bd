"""Spreadsheets (`.xlsx`, `.xlsm`, `.xls`, `.ods`): a process of their own loads them, and their rows stream by as CSV.

The library loads a whole sheet, a cell at the far corner of an empty one included, so the process has limits of memory
and processor time, and what a file unpacks to is bounded before.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import BinaryIO, cast

from catalog.feeds.compression import refuse_bomb
from catalog.feeds.fast_delimited import read_text
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedBatch, FeedError, ReadOptions
from catalog.feeds.spreadsheet_worker import REFUSED
from catalog.feeds.zip_files import ZipFeed, is_zip
from catalog.storage.memory import usable_memory_bytes
from catalog.storage.worker_environment import worker_environment

MODULE = "catalog.feeds.spreadsheet_worker"
MAX_FILE_BYTES = 200_000_000
MAX_UNPACKED_BYTES = 2_000_000_000
MAX_MEMORY_BYTES = 4_000_000_000
MAX_CPU_S = 600
_STDERR_BYTES = 20_000


def read_spreadsheet(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a spreadsheet: of its first sheet with a column of ids, else of its first that has rows.

    Numbers are read as they are meant, `123` and not `123.0`; dates in ISO 8601; formulas by their cached values.

    Raises:
        FeedError: The file is damaged, encrypted or too large, or has no column of ids.
    """
    with csv_of_sheet(source, name, options) as content:
        yield from read_text(content, name, _of_csv(options), ",")


def _of_csv(options: ReadOptions) -> ReadOptions:
    return replace(options, encoding="utf-8", delimiter=",", findings=None)


@contextmanager
def csv_of_sheet(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[BinaryIO]:
    """Open the rows of a spreadsheet as a stream of comma-separated text; raises as `read_spreadsheet` does."""
    content = _content(source, name)
    arguments = json.dumps(
        {
            "columns": dict(options.columns),
            "sheet": options.detected("sheet"),
            "max_memory_bytes": min(MAX_MEMORY_BYTES, usable_memory_bytes() // 2),
            "max_cpu_s": MAX_CPU_S,
        }
    )
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(  # noqa: S603 our own
            [sys.executable, "-P", "-m", MODULE, arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=worker_environment(os.environ),
        )
        packed, rows = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        try:
            with suppress(BrokenPipeError):  # it has ended, and its exit code says why
                packed.write(content)
                packed.close()
            del content
            if sheet := rows.readline():
                options.note("sheet", json.loads(sheet))
            yield cast(BinaryIO, _Rows(process, cast(BinaryIO, messages), name))
        finally:
            process.kill()
            process.wait()
            rows.close()
            with suppress(BrokenPipeError):
                packed.close()


def _content(source: BinaryIO, name: str) -> bytes:
    """Returns the bytes of a spreadsheet whose size is within the limits."""
    content = source.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise FeedError(f"{name}: a spreadsheet of more than {MAX_FILE_BYTES:,} bytes; deliver it as CSV")
    if is_zip(content):
        num_bytes = ZipFeed(io.BytesIO(content), name).num_bytes
        refuse_bomb(num_bytes, len(content), name)
        if num_bytes > MAX_UNPACKED_BYTES:
            raise FeedError(
                f"{name}: a spreadsheet that unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; deliver it as CSV"
            )
    return content


class _Rows:
    """The output of the process; at its end, a process that did not succeed is an error."""

    def __init__(self, process: subprocess.Popen[bytes], messages: BinaryIO, name: str) -> None:
        self._process, self._messages, self._name = process, messages, name
        self._output = cast(BinaryIO, process.stdout)

    def read(self, size: int) -> bytes:
        if block := self._output.read(size):
            return block
        exit_code = self._process.wait()
        if exit_code:
            raise self._error(exit_code)
        return b""

    def _error(self, exit_code: int) -> Exception:
        self._messages.seek(0)
        lines = self._messages.read(_STDERR_BYTES).decode(errors="replace").strip().splitlines()
        if exit_code == REFUSED:
            return FeedError(f"{self._name}: {lines[-1] if lines else 'a spreadsheet that cannot be read'}")
        if exit_code < 0:
            return FeedError(
                f"{self._name}: a spreadsheet that takes too much memory or time to load, maybe by a cell far from the "
                "others; delete empty rows and columns, or deliver it as CSV"
            )
        reason = lines[-1] if lines else f"exit code {exit_code}"
        return RuntimeError(f"the process that reads spreadsheets failed ({reason}); install this project again")
