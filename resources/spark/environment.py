"""Spark environment: packs this project's plain functions and their imports, without PyTorch, for executors.

    python -m resources.spark.environment OUT.tar.gz

Its Python is a link to the one that built it: executors need the same version at the same path, as in the same
container image, or at the path given with `--python`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import catalog
import ml
import resources

REQUIREMENTS = (
    "aiohttp",
    "fsspec",
    "lxml",
    "multidict",
    "numpy",
    "opencv-python-headless",
    "openvino",
    "pillow",
    "polars",
    "protego",
    "pyarrow",
    "universal-pathlib",
    "xxhash",
    "yarl",
)
_COMPRESS_LEVEL = 1  # speed of packing and unpacking matters more than size


class NotInstalledError(ValueError):
    """A package that executors need is not installed here; the message names it and the way out."""


def build(archive: Path, *, python: str | None = None, extra: Iterable[str] = ()) -> None:
    """Builds the archive from the packages that are installed here; no package index is needed.

    Args:
        archive: the file to write, which ends in .tar.gz.
        python: the folder of the executors' interpreter; None: that of this one.
        extra: further requirements, such as the file system of an object store.

    Raises:
        NotInstalledError: a requirement, or what it requires, is not installed here.
    """
    import venv_pack

    packages = closure((*REQUIREMENTS, *extra))
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)  # noqa: S603
        site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        for package in packages:
            copy_package(package, site_packages)
        for module in (catalog, ml, resources):
            source = Path(str(module.__file__)).parent
            shutil.copytree(source, site_packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        archive.parent.mkdir(parents=True, exist_ok=True)
        venv_pack.pack(
            str(environment), output=str(archive), force=True, compress_level=_COMPRESS_LEVEL, python_prefix=python
        )


def closure(requirements: Iterable[str]) -> list[Distribution]:
    """Returns the installed packages of these requirements and of all that they require on this platform.

    Raises:
        NotInstalledError: one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                raise NotInstalledError(f"{name!r} is not installed here; run pip install '{requirement}'") from None
        for extra in {"", *requirement.extras}:
            if (name, extra) in done:
                continue
            done.add((name, extra))
            for each in map(Requirement, found[name].requires or ()):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    waiting.append(each)
    return list(found.values())


def copy_package(package: Distribution, site_packages: Path) -> None:
    """Copies the files of an installed package, but for its commands, into another environment.

    Raises:
        NotInstalledError: the package has no list of its files, as one that no installer of Python's has installed.
    """
    if package.files is None:
        raise NotInstalledError(f"{package.name!r} has no list of its files; install it with pip")
    for file in package.files:
        if ".." not in file.parts:
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.locate_file(file), target)  # type: ignore[arg-type]


def main() -> None:
    """Builds the archive that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a file that ends in .tar.gz")
    parser.add_argument("--python", help="the folder of the interpreter on the executors' machines")
    parser.add_argument("--extra", nargs="*", default=(), help="further packages, such as s3fs")
    options = parser.parse_args()
    build(options.archive, python=options.python, extra=options.extra)


if __name__ == "__main__":
    main()
