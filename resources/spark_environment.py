"""The environment that executors need, as one archive: this project's plain functions and what they import, no PyTorch.

    python -m resources.spark_environment OUT.tar.gz

Its Python is a link to the one that made it: executors need the same version at the same path, as they have in the
same container image, or where `--python` says.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import catalog
import ml
import resources

REQUIREMENTS = (
    "aiohttp",
    "defusedxml",
    "fsspec",
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
_COMPRESS_LEVEL = 1  # it is packed and unpacked more often than it is kept


def build(archive: Path, *, python: str | None = None, extra: tuple[str, ...] = ()) -> None:
    """Makes the archive, in the versions that are installed here.

    `extra` are further requirements, such as the file system of an object store; `python` is the folder of the
    executors' interpreter. Raises CalledProcessError where something cannot be installed.
    """
    import venv_pack

    with tempfile.TemporaryDirectory() as place:
        environment, versions = Path(place) / "environment", Path(place) / "versions.txt"
        versions.write_text("".join(f"{each.name}=={each.version}\n" for each in distributions()))
        _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
        site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        pip = (sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet")
        _run(*pip, "--disable-pip-version-check", "-c", str(versions), *REQUIREMENTS, *extra)
        for package in (catalog, ml, resources):
            folder = Path(str(package.__file__)).parent
            shutil.copytree(folder, site_packages / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        archive.parent.mkdir(parents=True, exist_ok=True)
        venv_pack.pack(
            str(environment), output=str(archive), force=True, compress_level=_COMPRESS_LEVEL, python_prefix=python
        )


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 our own words, no shell


def main() -> None:
    """Makes the archive that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a file that ends in .tar.gz")
    parser.add_argument("--python", help="the folder of the interpreter on the executors' machines")
    parser.add_argument("--extra", nargs="*", default=(), help="further packages, such as s3fs")
    options = parser.parse_args()
    build(options.archive, python=options.python, extra=tuple(options.extra))


if __name__ == "__main__":
    main()
