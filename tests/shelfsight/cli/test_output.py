"""Output: tables on a terminal, plain text in a pipe, JSON on request, and never a terminal's control characters."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfsight.cli.output import print_output

ROWS = [{"product": "hansen:1", "num": 3}, {"product": "[bold]\x1b[2J\x9b", "num": 12_345}]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(content: Any, stream: Callable[[], io.StringIO], *, as_json: bool = False) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", output := stream())
        patch.setenv("TERM", "dumb")
        patch.setenv("COLUMNS", "100")
        print_output(content, as_json=as_json)
    return output.getvalue()


def test_rows_are_a_table_on_a_terminal_and_in_a_pipe() -> None:
    on_terminal, in_pipe = printed(ROWS, Terminal), printed(ROWS, io.StringIO)
    assert "─" in on_terminal
    assert in_pipe.splitlines()[0].split() == ["product", "num"]
    for shown in (on_terminal, in_pipe):
        assert "[bold]" in shown  # no markup
        assert "12345" in shown


def test_a_record_is_a_line_for_each_value() -> None:
    record = {"deliveries": 2, "waiting": ["a", "b"], "problems": [], "failed": {}, "champion": None}
    for stream in (Terminal, io.StringIO):
        lines = [line.split() for line in printed(record, stream).splitlines()]
        assert lines[:3] == [["deliveries", "2"], ["waiting", "a"], ["b"]]
        assert lines[3:5] == [["problems", "none"], ["failed", "none"]]


@given(st.text())
def test_no_control_character_of_a_value_reaches_the_terminal(text: str) -> None:
    for stream in (Terminal, io.StringIO):
        shown = printed([{"title": text}], stream)
        assert not any(each != "\n" and not each.isprintable() for each in shown)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_read_back(value: Any) -> None:
    assert json.loads(printed([{"value": value}], Terminal, as_json=True)) == [{"value": value}]


def test_times_are_text_in_json() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    assert json.loads(printed({"when": when}, io.StringIO, as_json=True)) == {"when": "2026-01-02 00:00:00+00:00"}
