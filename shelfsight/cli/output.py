"""Output of the command: rows and records, as text for people or as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
MAX_CELL = 72  # characters; JSON has the whole text


def print_output(content: Sequence[Row] | Row, *, as_json: bool) -> None:
    """Prints rows as a table, a record as lines, or either as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(content, indent=2, default=_plain, ensure_ascii=False) + "\n")
    elif isinstance(content, Mapping):
        width = max(map(len, content), default=0)
        for name, value in content.items():
            lines = [_cell(each) for each in value] if isinstance(value, list) else [_cell(value)]
            for number, line in enumerate(lines or ["none"]):
                sys.stdout.write(f"{'' if number else name:<{width}}  {line}\n")
    else:
        _print_table(content)


def _print_table(rows: Sequence[Row]) -> None:
    if not rows:
        sys.stdout.write("no rows\n")
        return
    cells = [list(rows[0]), *([_cell(value)[:MAX_CELL] for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for number, line in enumerate(cells):
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")
        if number == 0:
            sys.stdout.write("  ".join("-" * width for width in widths) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(_cell(each) for each in value)
    return str(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return str(value) if isinstance(value, timedelta) or not isinstance(value, (str, int, float, bool)) else value
