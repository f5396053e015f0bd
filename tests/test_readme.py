"""The README: its tree, its names, its commands, its queries and its figures are those of the project."""

import re

import pytest

from benchmarks.readme import with_measurements
from catalog.feeds import FEED_READERS
from catalog.scores import METRICS
from catalog.warehouse import query
from ml.classifiers.heads import HEADS
from ml.deployment.variants import VARIANTS
from ml.methods import METHODS
from tests.conftest import REPOSITORY, TinyCatalogue

README = (REPOSITORY / "README.md").read_text()
REGISTRIES = {
    "FEED_READERS": FEED_READERS,
    "METRICS": METRICS,
    "METHODS": METHODS,
    "HEADS": HEADS,
    "VARIANTS": VARIANTS,
}


def blocks(language: str) -> list[str]:
    """The fenced code blocks of one language; of none for ""."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_tree_names_every_folder_and_no_other() -> None:
    tree = next(block for block in blocks("") if block.startswith("catalog/"))
    shown, top = set(), ""
    for line in tree.splitlines():
        name = line.split()[0]
        top, path = (top, top + name) if line.startswith(" ") else (name, name)
        assert (REPOSITORY / path).is_dir(), path
        shown.add(name if path == top else "")
    packages = {f"{path.parent.name}/" for path in REPOSITORY.glob("*/__init__.py")}
    assert packages <= shown


def test_the_registries_it_names_exist_and_their_files_are_where_it_says() -> None:
    for registry, entries in REGISTRIES.items():
        assert f"`{registry}`" in README
        assert entries
    for place in re.findall(r"\| .*?`([\w/]+)/x\.py` \|", README):
        assert (REPOSITORY / place).is_dir(), place


def test_every_make_command_it_shows_has_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    shown = set(re.findall(r"`?make ([a-z]+)", README))
    assert shown <= targets
    assert {"demo", "test", "check", "ui", "bench"} <= shown


def test_every_environment_variable_it_names_is_read_somewhere() -> None:
    modules = [*REPOSITORY.glob("catalog_assets/*.py"), *REPOSITORY.glob("resources/*.py")]
    sources = "".join(path.read_text() for path in [*modules, REPOSITORY / "Makefile"])
    for variable in re.findall(r"^\| `([A-Z_]+)`", README, flags=re.MULTILINE):
        assert variable in sources, variable


def test_ci_runs_the_readme_s_check() -> None:
    assert "make check" in (REPOSITORY / ".ci" / "run").read_text()


def test_its_figures_are_those_that_the_benchmarks_left() -> None:
    assert with_measurements(README) == README, "run python -m benchmarks.readme"


@pytest.mark.parametrize("statement", [line for block in blocks("sql") for line in block.splitlines()])
def test_its_queries_have_answers(tiny_catalogue: TinyCatalogue, statement: str) -> None:
    assert len(query(tiny_catalogue.root / "catalog.duckdb", statement))
