"""Hostile texts at each sink by itself: terminal, JSON, Markdown, logs, a chat, a plot."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from catalog.escaping.chat import chat_line
from catalog.escaping.markdown import markdown_text
from catalog.escaping.terminal import terminal_json, terminal_line
from catalog.probe.plots import draw_times
from catalog_assets.idioms import console
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.ingestion import feed_sensor
from shelfsight.cli.failures import report
from shelfsight.cli.output import print_output
from tests.conftest import REPOSITORY
from tests.faults.hostile_texts import HOSTILE, MARKDOWN, is_shown

EVERY_TEXT = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {"inline", "text", "code_inline", "table", "thead", "tbody", "tr", "th", "td", "paragraph"}
# What renderers of GitHub's Markdown make links of, in any text that is no code.
BARE_LINK = re.compile(r"(?i)https?://|www\.|[\w.+-]+@[\w-]+\.\w|mailto:")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def tokens(markdown: str) -> list[Token]:
    """Every block and every inline part."""
    return [each for block in COMMONMARK.parse(markdown) for each in (block, *(block.children or ()))]


def assert_only_text(markdown: str) -> None:
    found = tokens(markdown)
    assert {re.sub("_(open|close)$", "", each.type) for each in found} <= HARMLESS
    assert not any(BARE_LINK.search(each.content) for each in found if each.type == "text")


@EVERY_TEXT
def test_output_and_errors_show_it_in_names_and_values_and_json_brings_it_back(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    contents: list[Any] = [[{text: text}], {text: [text], "nested": {text: text}}, {"rows": [{text: [text]}]}]
    for stream in (Terminal, io.StringIO):
        for content in contents:
            monkeypatch.setattr("sys.stdout", shown := stream())
            print_output(content, as_json=False, has_data=True)
            assert is_shown(shown.getvalue())
            monkeypatch.setattr("sys.stdout", document := stream())
            print_output(content, as_json=True, has_data=True)
            assert is_shown(document.getvalue())
            assert json.loads(document.getvalue()) == content
        monkeypatch.setattr("sys.stderr", errors := stream())
        report("shelfsight query", ValueError(text), as_json=False)
        assert is_shown(errors.getvalue())
        assert errors.getvalue().count("\n") == 1


@EVERY_TEXT
def test_a_log_has_one_line_of_printable_characters_for_it(text: str) -> None:
    formatter = console._PlainFormatter()
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (text,), None)
    assert formatter.format(record).isprintable()
    record.dagster_meta = {"orig_message": text}
    assert formatter.format(record).isprintable()


def test_letters_of_every_script_and_emoji_stay() -> None:
    assert terminal_line("Größe 42, 靴 👟") == "Größe 42, 靴 👟"
    assert markdown_text("Größe 42, 靴 👟").strip("`") == "Größe 42, 靴 👟"


@EVERY_TEXT
def test_a_table_keeps_its_cells_and_has_neither_links_nor_images_nor_html(text: str) -> None:
    rendered = table(pl.DataFrame({text.encode("utf-8", "replace").decode(): ["a"], "b": ["c"], "d": ["e"]}))
    rendered += "\n\n" + table(pl.DataFrame({"a": [text.encode("utf-8", "replace").decode()], "b": ["c"], "d": ["e"]}))
    assert_only_text(rendered)
    kinds = [each.type for each in tokens(rendered)]
    assert (kinds.count("table_open"), kinds.count("th_open"), kinds.count("td_open")) == (2, 6, 6)


@EVERY_TEXT
def test_a_paragraph_a_list_or_a_caption_around_it_stays_what_it_is(text: str) -> None:
    for around in ("{}", "Ask {} for more.", "- {}", "**{}**"):
        kinds = [each.type for each in tokens(around.format(markdown_text(text) or "x")) if each.type != "code_inline"]
        expected = [each.type for each in tokens(around.format("x")) if each.type != "text"]
        assert [each for each in kinds if each != "text"] == expected
    images = [each for each in tokens(image_markdown(b"png", text)) if each.type in ("image", "link_open")]
    assert [str(each.attrs["src"]).partition(",")[0] for each in images] == ["data:image/png;base64"]


@pytest.mark.parametrize("text", MARKDOWN.values(), ids=MARKDOWN)
def test_a_code_span_shows_the_text_itself(text: str) -> None:
    [block] = [
        each for each in COMMONMARK.parse(f"| a |\n| --- |\n| {markdown_text(text)} |") if each.type == "inline"
    ][1:]
    shown = "".join(each.content for each in block.children or ())
    line = terminal_line(text).strip()
    assert shown.replace("\\", "") == line.replace("\\", "")


@given(st.text())
def test_any_text_is_only_text_in_a_table(text: str) -> None:
    assert_only_text(table(pl.DataFrame({"a": [text], "b": [text]})))


@given(st.text(alphabet="|`\\ \n*[]()!<>&#_~-a"))
def test_any_mix_of_markdown_s_characters_leaves_a_table_its_cells(text: str) -> None:
    kinds = [each.type for each in tokens(table(pl.DataFrame({"a": [text], "b": [text]})))]
    assert kinds.count("td_open") == 2
    assert not {"image", "link_open", "html_inline", "em_open", "strong_open"} & set(kinds)


@given(st.recursive(st.none() | st.text(st.characters()), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_read_back_and_printable(document: Any) -> None:
    shown = terminal_json(document)
    assert json.loads(shown) == document
    assert is_shown(shown)


@pytest.mark.parametrize(
    ("text", "posted"),
    [
        (
            "<!channel> <@U1> <http://evil.example|bank>",
            "&lt;!channel&gt; &lt;@U1&gt; &lt;http://evil.example|bank&gt;",
        ),
        ("![x](http://evil.example) [x][y]", "![x] (http://evil.example) [x] [y]"),
        ("<at>all</at> & more\n# Heading", "&lt;at&gt;all&lt;/at&gt; &amp; more # Heading"),
    ],
)
def test_a_chat_finds_neither_a_mention_nor_a_hidden_link(text: str, posted: str) -> None:
    assert chat_line(text) == posted


@pytest.mark.parametrize("host", ["$a^$", "$\\frac{$", "a$_$b", "$", "$$x$", "a" * 500 + "$^$"])
def test_a_host_with_signs_of_formulas_is_drawn(host: str) -> None:
    assert draw_times(pl.DataFrame({"shop": [host], "seconds": [1.0]}), {}).startswith(b"\x89PNG")


# -- contracts: nothing reaches a sink but through its function --------------------------------------------------------


def calls(folder: str) -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in the files of a folder, with what is called as it is written."""
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(REPOSITORY), node, ast.unparse(node.func)


def test_the_command_prints_only_where_texts_are_escaped() -> None:
    writers = {
        str(path)
        for path, _, name in calls("shelfsight")
        if name in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "Console", "console.print")
    }
    assert writers == {
        "shelfsight/cli/output.py",
        "shelfsight/cli/failures.py",
        "shelfsight/cli/questions.py",
        "shelfsight/cli/progress.py",  # descriptions of our own
        "shelfsight/cli/run.py",
        "shelfsight/cli/commands/recipes.py",  # the name of a backbone that timm knows
        "shelfsight/cli/commands/up.py",  # addresses on loopback
        "shelfsight/cli/commands/explore.py",  # its address
    }


def called(node: ast.AST) -> set[str]:
    """The names of everything that is called in a part of a program."""
    return {ast.unparse(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}


def test_every_markdown_metadata_is_made_by_what_escapes_it() -> None:
    """Walks every `MetadataValue.md(...)`: its argument is a call of a function that escapes, or a name for one."""
    found = 0
    for path, call, name in calls("catalog_assets"):
        if not name.endswith("MetadataValue.md"):
            continue
        found += 1
        nodes = list(ast.walk(ast.parse((REPOSITORY / path).read_text())))
        makers = {"table", "image_markdown", "advice.markdown"}
        makers |= {node.name for node in nodes if isinstance(node, ast.FunctionDef) and called(node) & makers}
        values: list[ast.expr] = [call.args[0]]
        if isinstance(call.args[0], ast.Name):
            assigned = [node for node in nodes if isinstance(node, ast.Assign)]
            values = [each.value for each in assigned if ast.unparse(each.targets[0]) == call.args[0].id]
        assert values, f"{path}: {ast.unparse(call)}"
        for value in values:
            assert called(value) & makers, f"{path}: {ast.unparse(value)}"
    assert found > 40


def test_problems_of_feeds_are_escaped_before_the_sensor_logs_them() -> None:
    source = Path(feed_sensor.__file__).read_text()
    assert "found.problems" in source
    assert source.count("found.problems") == source.count("for problem in found.problems]")
