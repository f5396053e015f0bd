"""Output of the command: rows and records, as tables on a terminal, as plain text or as JSON."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from catalog.escaping.terminal import terminal_json, terminal_line
from shelfsight.cli.reserved_stdout import output_stream

Row = Mapping[str, Any]
MAX_CELL = 72  # characters of plain text; a terminal and JSON have the whole text


def print_output(content: Sequence[Row] | Row, *, as_json: bool, has_data: bool = False) -> None:
    """Prints rows as a table, a record as lines, or either as JSON; names and values are a partner's, so are escaped.

    Args:
        content: what a command returns.
        as_json: one JSON document instead of text.
        has_data: the content is the user's data, such as links of a query; of anything else secrets are hidden.
    """
    if not has_data:
        content = _without_secrets(content)
    if as_json:
        output_stream().write(terminal_json(content, default=_plain) + "\n")
    elif output_stream().isatty():
        _print_rich(content)
    elif isinstance(content, Mapping):
        named = {terminal_line(name): value for name, value in content.items()}
        width = max(map(len, named), default=0)
        for name, value in named.items():
            for number, line in enumerate(_lines(value)):
                output_stream().write(f"{'' if number else name:<{width}}  {line}\n")
    else:
        _print_table(content)


def _without_secrets(value: Any) -> Any:
    """Returns a value in which every text is without passwords of URLs, tokens and the like."""
    from resources.settings import redacted

    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {_without_secrets(name): _without_secrets(each) for name, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, (list, tuple)) else value


def _print_rich(content: Sequence[Row] | Row) -> None:
    """Prints rows as a table with rules, or a record as a table of its names and values, as wide as the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=output_stream())
    if isinstance(content, Mapping):
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in content.items():
            table.add_row(Text(terminal_line(name)), Text("\n".join(_lines(value))))
    elif not content:
        console.print("no rows")
        return
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name, value in content[0].items():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            table.add_column(Text(terminal_line(name)), justify="right" if is_number else "left", overflow="fold")
        for row in content:
            table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _print_table(rows: Sequence[Row]) -> None:
    if not rows:
        output_stream().write("no rows\n")
        return
    cells = [
        [terminal_line(name) for name in rows[0]],
        *([_cell(value)[:MAX_CELL] for value in row.values()] for row in rows),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    stream = output_stream()
    for number, line in enumerate(cells):
        stream.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")
        if number == 0:
            stream.write("  ".join("-" * width for width in widths) + "\n")


def _lines(value: Any) -> list[str]:
    """The lines of a record's value: one for each element of a list, or "none" for an empty collection."""
    if isinstance(value, (list, Mapping)) and not value:
        return ["none"]
    return [_cell(each) for each in value] if isinstance(value, list) else [_cell(value)]


def _cell(value: Any) -> str:
    """A value as text, without characters that control a terminal: titles and links are a partner's."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{terminal_line(str(name))} {_cell(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(_cell(each) for each in value)
    return terminal_line(str(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return str(value) if isinstance(value, timedelta) or not isinstance(value, (str, int, float, bool)) else value
