"""The index is built once, again when tables change, and survives a kill at any time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from resources.settings import Settings, variable_of
from resources.store import Store
from shelfsight.explorer import catalog_index
from shelfsight.explorer.application import create_application
from tests.conftest import REPOSITORY
from tests.end_to_end.services import free_port, responds
from tests.patience import until
from tests.tiny_catalog import TinyCatalog

NUM = "SELECT count(*) AS num FROM items"


@pytest.fixture
def root(tiny_catalog: TinyCatalog, tmp_path: Path) -> Path:
    """The tables of the tiny catalog that the index reads, without an index."""
    target = tmp_path / "store"
    for name in ("taxonomy", "products", "outcomes", "universal_catalog", "deliveries", "reference"):
        shutil.copytree(tiny_catalog.root / name, target / name)
    from catalog.storage.warehouse import write_warehouse

    write_warehouse(target / "catalog.duckdb", str(target))
    return target


def test_an_index_is_kept_and_built_again_when_a_table_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_index, "CHECK_EVERY_S", 0.0)
    state = create_application(Settings.read(store=str(root))).state.explorer
    assert state.index.current().row(NUM) == {"num": 1_200}
    built = state.index.database.file.stat()
    state.close()

    state = create_application(Settings.read(store=str(root))).state.explorer
    assert state.index.current().row(NUM) == {"num": 1_200}
    assert state.index.database.file.stat().st_ino == built.st_ino
    store = Store(root=str(root))
    key = "golden.test-set"
    store.write(store.scan("products", [key]).head(100).collect().drop("delivery"), "products", key)
    until(lambda: state.index.current().row(NUM) == {"num": 1_129}, "the index of the changed table")
    state.close()


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 10_000])
def test_a_broken_index_is_built_again(content: bytes, root: Path) -> None:
    (root / "explorer").mkdir()
    (root / "explorer" / "index.duckdb").write_bytes(content)
    state = create_application(Settings.read(store=str(root))).state.explorer
    assert state.index.current().row(NUM) == {"num": 1_200}
    state.close()


def test_a_killed_build_leaves_no_file_under_the_name(root: Path) -> None:
    target = root / "explorer" / "index.duckdb"
    target.parent.mkdir()
    wanted = {"database": str(root / "catalog.duckdb"), "target": str(target), "stamp": "x", "business_values": {}}
    process = subprocess.Popen(
        [sys.executable, "-m", "shelfsight.explorer.index_build"], stdin=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**wanted, "memory_bytes": 1 << 28}))
    process.stdin.close()
    until(lambda: any(target.parent.glob(".*.writing")), "the file that is being written")
    process.kill()
    process.wait()
    assert not target.exists()


@pytest.mark.end_to_end
def test_a_killed_server_leaves_nothing_broken(root: Path) -> None:
    """Real servers, of which the first is killed in the middle of its first pages."""
    environment = {
        name: each for name, each in os.environ.items() if name not in map(variable_of, Settings.model_fields)
    }
    for ending in (signal.SIGKILL, signal.SIGTERM):
        port = free_port()
        command = [sys.executable, "-m", "shelfsight", "explore", "--store", str(root)]
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env={**environment, "SHELFSIGHT_EXPLORER_PORT": str(port)}, stdout=subprocess.PIPE
        )
        until(lambda port=port: responds(f"http://127.0.0.1:{port}/login"), "the explorer")  # type: ignore[misc]
        if ending is signal.SIGTERM:
            with urlopen(f"http://127.0.0.1:{port}/catalog", timeout=30) as page:
                assert b"1,200 products" in page.read()
        else:
            time.sleep(0.05)
        server.send_signal(ending)
        assert server.wait(timeout=30) == (0 if ending is signal.SIGTERM else -signal.SIGKILL)
        assert server.stdout is not None
        server.stdout.close()
