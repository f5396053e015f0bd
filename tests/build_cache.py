"""A cache on disk for what is expensive to make for tests, keyed by the sources that make it."""

import fcntl
import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CACHE = REPOSITORY / ".cache" / "tests"
SOURCES = ("catalog", "ml", "resources", "catalog_assets", "demo", "dagster.yaml", "pyproject.toml")
NUM_KEPT = 2  # builds of one name; a switch between two branches finds both
COMPLETE = ".complete"


def cached(name: str, builder: Path, build: Callable[[Path], None]) -> Path:
    """Returns the folder that `build` fills, which it does once for all processes and until a source changes.

    Args:
        name: of what is built, for people.
        builder: the test source that defines `build`; it counts as a source.
        build: fills an existing, empty folder. The folder is never moved, so paths into it stay valid.
    """
    key = fingerprint(builder)
    folder = CACHE / name / key
    with locked(name):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            build(folder)
            (folder / COMPLETE).touch()
        os.utime(folder)
        for outdated in sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-NUM_KEPT]:
            shutil.rmtree(outdated)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Excludes every other process of this checkout from the block."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(builder: Path) -> str:
    """A hash of the project's sources, of the builder, of the installed packages and of Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_files(builder)):
        digest.update(f"{path.relative_to(REPOSITORY)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for installed in sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info")):
        digest.update(installed.encode())
    return digest.hexdigest()[:16]


def _files(builder: Path) -> Iterator[Path]:
    yield builder
    yield Path(__file__)
    yield from (REPOSITORY / "tests" / "in_every_process").glob("*.py")
    for source in SOURCES:
        path = REPOSITORY / source
        if path.is_file():
            yield path
        for folder, _, names in os.walk(path):
            if not folder.endswith("__pycache__"):
                yield from (Path(folder) / name for name in names)
