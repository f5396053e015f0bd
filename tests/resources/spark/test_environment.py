"""The environment for executors: what is installed here, with all that it requires, and nothing else."""

from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest

from resources.spark.environment import REQUIREMENTS, NotInstalledError, closure, copy_package


def test_requirements_bring_what_they_require() -> None:
    names = {package.name.lower() for package in closure(["aiohttp"])}
    assert {"aiohttp", "multidict", "yarl", "frozenlist", "aiosignal", "idna"} <= names
    assert "pytest" not in names


def test_executors_get_no_training_package() -> None:
    names = {package.name.lower() for package in closure(REQUIREMENTS)}
    assert not names & {"torch", "timm", "dagster", "mlflow", "pyspark", "nncf"}


def test_an_extra_brings_its_own_requirements() -> None:
    plain, with_extra = ({each.name.lower() for each in closure([name])} for name in ("ray", "ray[tune]"))
    assert "tensorboardx" in with_extra - plain


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(NotInstalledError, match=r"'no-such-thing' is not installed here; run pip install"):
        closure(["numpy", "no-such-thing>=2"])


def test_a_package_without_a_list_of_its_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info" / "METADATA").write_text("Name: odd\nVersion: 1.0\n")
    [odd] = distributions(path=[str(tmp_path)])
    with pytest.raises(NotInstalledError, match="'odd' has no list of its files; install it with pip"):
        copy_package(odd, tmp_path / "environment")


def test_a_package_is_copied_without_its_commands(tmp_path: Path) -> None:
    copy_package(distribution("idna"), tmp_path)
    assert (tmp_path / "idna" / "core.py").read_bytes() == Path(
        str(distribution("idna").locate_file("idna/core.py"))
    ).read_bytes()
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"idna"}
