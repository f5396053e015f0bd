"""Spreadsheet worker: a process that loads a spreadsheet from standard input and writes a sheet as CSV.

The first line of its output is the sheet's name in JSON. It ends with `REFUSED` and a reason for a file that is no
readable spreadsheet, and is ended by the system at its limits.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import python_calamine

from catalog.feeds.feed import FeedError, ReadOptions, attribute_columns

REFUSED = 3  # exit code: the last line on standard error is the reason
MAX_SHEETS = 100  # that are searched for ids
MAX_PREAMBLE_ROWS = 30
_EXACT = 1e15  # below it every whole number is one that spreadsheets keep exactly

Row = Sequence[Any]


def main() -> None:
    """Reads the spreadsheet that comes in, by the arguments of `csv_of_sheet`."""
    arguments = json.loads(sys.argv[1])
    content = sys.stdin.buffer.read()
    _limit(arguments["max_memory_bytes"], arguments["max_cpu_s"])
    try:
        name, rows = _chosen(content, ReadOptions(columns=arguments["columns"]), arguments["sheet"])
        sys.stdout.write(f"{json.dumps(name)}\n")
        writer = csv.writer(sys.stdout, lineterminator="\n")
        for row in rows:
            writer.writerow(row)
        sys.stdout.flush()
    except MemoryError:
        _refuse("a spreadsheet that takes too much memory to load; deliver it as CSV")
    except python_calamine.PasswordError:
        _refuse("the spreadsheet is encrypted; deliver it without a password")
    except (python_calamine.CalamineError, FeedError) as error:
        _refuse(f"not a readable spreadsheet ({' '.join(str(error).split())}); deliver it again, whole")


def _refuse(reason: str) -> None:
    sys.stderr.write(f"{reason}\n")
    sys.exit(REFUSED)


def _limit(max_memory_bytes: int, max_cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (max_cpu_s, max_cpu_s))
    try:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):  # systems without /proc
        return
    limit = mapped + max_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _chosen(content: bytes, options: ReadOptions, recorded: str | None) -> tuple[str, Iterator[list[str]]]:
    """Returns the first sheet with a column of ids, else the first with rows, and its rows from the header on."""
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    names = [recorded] if recorded in book.sheet_names else book.sheet_names[:MAX_SHEETS]
    first: tuple[str, Iterator[list[str]]] | None = None
    for name in names:
        rows = _rows(book, name)
        head = list(islice(rows, MAX_PREAMBLE_ROWS))
        position = next((number for number, row in enumerate(head) if _has_id(row, options)), None)
        if position is not None:
            width = max(number for number, text in enumerate(head[position], 1) if text)
            return name, (_cut(row, width) for row in chain(head[position:], rows))
        if first is None and any(any(row) for row in head):
            first = name, chain(head, rows)
    if first is None:
        raise FeedError("no sheet has any rows")
    return first


def _rows(book: Any, name: str) -> Iterator[list[str]]:
    sheet = book.get_sheet_by_name(name)
    if sheet.start is None:  # an empty sheet, or one of charts
        return
    for row in sheet.iter_rows():
        yield [_text(value) for value in row]


def _cut(row: list[str], width: int) -> list[str]:
    """Returns a row's cells under the header; notes beside the table are no values."""
    return row[:width] if any(row[:width]) else []


def _has_id(row: Sequence[str], options: ReadOptions) -> bool:
    try:
        attribute_columns(row, "", options)
    except FeedError:
        return False
    return True


def _text(value: Any) -> str:
    """Returns the value of a cell as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else f"{value:.15g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    text = str(value)
    return "" if text.startswith("#") and text in _ERRORS else text


_ERRORS = frozenset({"#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#DIV/0!", "#GETTING_DATA", "#DATA!"})


if __name__ == "__main__":
    main()
