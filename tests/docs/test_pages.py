"""The README and the pages of docs/: their names, commands, queries, settings and figures are those of the project."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.report import with_measurements
from catalog.evaluation.scores import METRICS
from catalog.feeds.formats import FEED_READERS, FORMAT_OF_SUFFIX
from catalog.images.statuses import Status
from catalog.schema.empty_warehouse import empty_warehouse
from catalog.storage.tables import TABLES
from catalog.storage.warehouse import query
from ml.classifiers.heads import HEADS
from ml.classifiers.losses import LOSSES
from ml.deployment.variants import VARIANTS
from ml.methods import METHODS
from ml.search import SEARCHERS
from resources.settings import OTHER_VARIABLES, Settings, variable_of
from shelfsight.cli.command import COMMANDS
from tests.conftest import REPOSITORY, TinyCatalog
from tests.shelfsight.cli.parsing import parse

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {str(page.relative_to(REPOSITORY)): page.read_text() for page in PAGES}
CONTRIBUTING = TEXTS["CONTRIBUTING.md"]
REGISTRIES = {
    "COMMANDS": COMMANDS,
    "FEED_READERS": FEED_READERS,
    "METRICS": METRICS,
    "METHODS": METHODS,
    "HEADS": HEADS,
    "LOSSES": LOSSES,
    "SEARCHERS": SEARCHERS,
    "TABLES": TABLES,
    "VARIANTS": VARIANTS,
}
MAX_README_LINES = 150


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of one language; of none for ""."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def queries() -> list[str]:
    """Every SQL statement of every page."""
    found = [line for text in TEXTS.values() for block in blocks(text, "sql") for line in block.splitlines()]
    assert found
    return [line for line in found if line.strip()]


def commands(text: str, program: str) -> list[list[str]]:
    """The words of every shown call of a program, without its own name."""
    found = re.findall(rf"^\s*\$ (?:\.venv/bin/)?{program} ([^#\n]*)", text, flags=re.MULTILINE)
    return [shlex.split(line) for line in found]


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= MAX_README_LINES


def test_the_tree_of_contributing_names_every_package_and_no_other() -> None:
    tree = next(block for block in blocks(CONTRIBUTING, "") if block.startswith("catalog/"))
    shown, top = set(), ""
    for line in tree.splitlines():
        name = line.split()[0]
        top, path = (top, top + name) if line.startswith(" ") else (name, name)
        assert (REPOSITORY / path).is_dir(), path
        shown.add(path)
    sources = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo", "benchmarks")
    packages = {
        f"{init.parent.relative_to(REPOSITORY)}/"
        for source in sources
        for init in (REPOSITORY / source).rglob("__init__.py")
    }
    assert packages <= shown


def test_the_registries_and_files_named_in_contributing_exist() -> None:
    for registry, entries in REGISTRIES.items():
        assert f"`{registry}`" in CONTRIBUTING
        assert entries
    for folder in re.findall(r"`([\w/]+)/x\.py`", CONTRIBUTING):
        assert (REPOSITORY / folder).is_dir(), folder
    for file in re.findall(r"`([\w/]+/\w+\.py)`", CONTRIBUTING):
        assert (REPOSITORY / file).is_file() or file.endswith("/x.py"), file


def test_every_feed_suffix_is_documented() -> None:
    page = TEXTS["docs/how-to/bring-a-feed.md"]
    assert all(f"`{suffix}`" in page for suffix in FORMAT_OF_SUFFIX)


@pytest.mark.parametrize("page", TEXTS)
def test_every_make_command_has_a_target(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    shown = set(re.findall(r"(?:`|\$ )make ([a-z]+)", TEXTS[page]))
    assert shown <= targets


@pytest.mark.parametrize("page", TEXTS)
def test_every_setting_exists(page: str) -> None:
    elsewhere = set(OTHER_VARIABLES)  # of deploy/ and the tests
    known = {variable_of(name) for name in Settings.model_fields} | elsewhere
    assert set(re.findall(r"\bSHELFSIGHT_[A-Z_]*[A-Z]", TEXTS[page])) <= known


@pytest.mark.parametrize("page", TEXTS)
def test_every_shelfsight_command_parses(page: str) -> None:
    for words in commands(TEXTS[page], "shelfsight"):
        parse(words)  # raises where a word or an option is unknown


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_to_a_file(page: str) -> None:
    folder = (REPOSITORY / page).parent
    generated = {
        DOCS / "reference" / f"{name}.md"
        for name in ("cli", "settings", "recipes", "assets", "tables", "rejections", "python")
    }
    for target in re.findall(r"\]\((?!https?://)([^)#\s]+)", TEXTS[page]):
        path = Path(folder / target).resolve()
        assert path.exists() or path in generated, target


def test_ci_runs_the_check_of_the_readme() -> None:
    assert "make check" in TEXTS["README.md"]
    assert "make check" in (REPOSITORY / ".ci" / "run").read_text()


def test_readme_counts_the_statuses() -> None:
    assert f"{len(Status)} statuses" in TEXTS["README.md"]


def test_the_figures_are_those_that_the_benchmarks_wrote() -> None:
    assert with_measurements(TEXTS["README.md"]) == TEXTS["README.md"], "run python -m benchmarks.report"


@pytest.mark.parametrize("statement", queries())
def test_every_query_runs_on_the_described_tables(statement: str) -> None:
    with empty_warehouse() as warehouse:
        warehouse.execute(statement)


@pytest.mark.parametrize("statement", [each for each in queries() if "multimodal" not in each])
def test_every_query_returns_rows(tiny_catalog: TinyCatalog, statement: str) -> None:
    assert len(query(tiny_catalog.root / "catalog.duckdb", statement))
