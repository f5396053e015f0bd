"""A store whose inbox is scanned, and folders for stores that processes are killed over."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.store import Store
from tests.catalog_assets.delivering import write_settings

MEMORY = Path("/dev/shm")  # noqa: S108 a mount point
MIN_FREE_BYTES = 2_000_000_000  # a store takes a tenth of it


@pytest.fixture(scope="module")
def memory_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where databases wait for no disk; on disk where memory has no room for it."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MIN_FREE_BYTES:
        yield tmp_path_factory.mktemp("stores")
        return
    with tempfile.TemporaryDirectory(prefix="shelfsight-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a taxonomy and the settings of a partner."""
    store = Store(root=str(tmp_path / "store"))
    write_settings(store)
    return store


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
