"""Docstrings and vocabulary of the source: plain statements, in the words of docs/glossary.md and CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import parsed

PROJECT = Path(__file__).parent.parent
FOLDERS = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo", "benchmarks", "tests")
PAGES = ("README.md", "CONTRIBUTING.md", "docs")

# A docstring states what something does or is; these words open a question or a riddle.
QUESTIONS = re.compile(r"(What|Whether|Whoever|Who|How|Where|When|Whenever)\b")
OLD_WORDS = re.compile(
    r"\b(told|judged|held(?![- ]out\b)|Takings|Looks|Fates|Lanes|Classroom|Answering|Outbox"
    r"|catalogue|labelled)\b"  # codespell:ignore
)

THIS_FILE = "tests/test_docstrings.py"  # has the words in its patterns


@cache
def modules() -> dict[str, list[Path]]:
    """The source files of each room, such as `ml/encoders`; `ml` has the files that are in no room."""
    rooms: dict[str, list[Path]] = {}
    for folder in FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            parts = path.relative_to(PROJECT).parts
            rooms.setdefault("/".join(parts[:2]) if len(parts) > 2 else parts[0], []).append(path)
    return rooms


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each docstring of a module, its classes and its functions."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def location(path: Path, line: int) -> str:
    return f"{name_of(path)}:{line}"


def uses_of_old_words(path: Path) -> list[str]:
    lines = enumerate(path.read_text().splitlines(), start=1)
    return [f"{location(path, number)}: {line.strip()}" for number, line in lines if OLD_WORDS.search(line)]


@pytest.mark.parametrize("room", sorted(modules()))
def test_docstrings_do_not_open_with_a_question(room: str) -> None:
    found = [
        f"{location(path, line)}: {text.splitlines()[0]}"
        for path in modules()[room]
        for line, text in docstrings(path)
        if QUESTIONS.match(text)
    ]
    assert found == []


@pytest.mark.parametrize("room", sorted(modules()))
def test_source_uses_no_old_vocabulary(room: str) -> None:
    others = [path for path in modules()[room] if name_of(path) != THIS_FILE]
    assert [use for path in others for use in uses_of_old_words(path)] == []


@pytest.mark.parametrize("page", PAGES)
def test_documentation_uses_no_old_vocabulary(page: str) -> None:
    path = PROJECT / page
    pages = sorted(path.rglob("*.md")) if path.is_dir() else [path]
    assert pages
    assert [use for each in pages for use in uses_of_old_words(each)] == []


@pytest.mark.parametrize(
    ("text", "is_question"),
    [("What a store holds.", True), ("Whenever asked.", True), ("However many.", False), ("Returns a store.", False)],
)
def test_a_question_is_recognized_by_its_first_word(text: str, is_question: bool) -> None:
    assert bool(QUESTIONS.match(text)) == is_question
