"""Shipped code imports what is installed with it: by the project, or by an extra that only certain files need."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.build_cache import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
# An extra, and the files and folders that may import what it installs; all others do without it.
NEED = {
    "spark": ["resources/spark/"],
    "search": ["ml/search/", "catalog_assets/encoders/pretraining.py"],
    "text": ["ml/encoders/text_encoder.py"],
    "heic": ["catalog/images/opening.py"],
    "kubernetes": ["catalog_assets/idioms/executors.py"],
}


def names(requirements: list[str]) -> set[str]:
    """Normalized names of requirements."""
    return {re.split(r"[\[<>=!~; ]", each)[0].lower().replace("_", "-").replace(".", "-") for each in requirements}


CORE = names(PROJECT["project"]["dependencies"])
EXTRAS = {extra: names(each) for extra, each in PROJECT["project"]["optional-dependencies"].items()}
DISTRIBUTIONS = packages_distributions()


def imported(source: str) -> Iterator[str]:
    """Yields the top-level modules that a source imports, also within functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def missing(path: str, source: str) -> list[str]:
    """The modules that a file imports and that neither the project nor an extra it may need installs."""
    allowed = CORE.union(*(EXTRAS[extra] for extra, rooms in NEED.items() if path.startswith(tuple(rooms))))
    foreign = set(imported(source)) - set(sys.stdlib_module_names) - set(PACKAGES) - {"__main__"}
    return sorted(each for each in foreign if not names(DISTRIBUTIONS.get(each, [each])) & allowed)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_of_a_package_is_of_what_is_installed_with_it(package: str) -> None:
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        file = path.relative_to(REPOSITORY).as_posix()
        assert missing(file, path.read_text()) == [], file


def test_an_import_that_nothing_installs_is_found() -> None:
    assert missing("ml/deployment/runtimes.py", "def run():\n    import pyspark.sql\n    import torch\n") == ["pyspark"]
    assert missing("resources/spark/session.py", "import pyspark") == []
    assert missing("catalog/images/decode.py", "from hypothesis import given") == ["hypothesis"]


def test_exporters_are_installed_with_the_project() -> None:
    # PyTorch's ONNX exporter imports onnxscript, and OpenVINO's quantization nncf, in no line of this project.
    assert {"onnx", "onnxruntime", "onnxscript", "openvino", "nncf"} <= CORE


def test_rooms_that_need_an_extra_exist() -> None:
    for extra, rooms in NEED.items():
        assert extra in EXTRAS
        assert all(Path(REPOSITORY / room).exists() for room in rooms)
