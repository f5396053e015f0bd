"""Exports on a full disk and exports that are killed: the earlier file or folder stays as it was."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from catalog.exports.dataset_export import DATASET_FORMATS, DatasetOptions, export_dataset
from catalog.storage.files import StoreNotWritableError
from shelfsight.cli.command import main
from tests.catalog.exports.small_store import write_dataset, write_delivery
from tests.conftest import REPOSITORY
from tests.faults.small_disk import mounted

MAX_BYTES = 8_000  # more than the first shards, less than an export
NUM_ROWS = 300


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    write_dataset(root, {"train": 30, "test": 6})
    write_delivery(root, "acme.spring", [{"item": str(number)} for number in range(NUM_ROWS)])
    return root


def contents(place: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def export(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["catalog.csv", "catalog.jsonl", "catalog.parquet"])
def test_a_file_that_cannot_grow_leaves_the_earlier_export(store: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"the earlier export")
    small = "tests.faults.export_on_small_disk"
    limit = 1_000 if name.endswith("parquet") else MAX_BYTES
    failed = export(small, limit, "catalog", tmp_path / name, "--store", store)
    assert failed.returncode == 1
    assert f"shelfsight export: cannot write '{tmp_path / name}': File too large; make room" in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert contents(tmp_path) == {name: b"the earlier export"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    with mounted(tmp_path / "disk", "64k") as place:
        yield place


@pytest.mark.parametrize("dataset_format", DATASET_FORMATS)
def test_a_full_disk_leaves_the_earlier_folder_and_nothing_else(
    store: Path, small_disk: Path, dataset_format: str
) -> None:
    (small_disk / "out").mkdir()
    (small_disk / "out" / "export.json").write_text("{}")
    (small_disk / "out" / "shard").write_bytes(bytes(40_000))
    before = contents(small_disk)
    options = DatasetOptions(dataset_format=dataset_format, max_shard_bytes=10_000)
    with pytest.raises(StoreNotWritableError, match=rf"cannot write '{small_disk}/out': No space left on device; make"):
        export_dataset(UPath(store), small_disk / "out", options, lambda *_: None)
    assert contents(small_disk) == before


@pytest.mark.parametrize(
    ("function", "num_calls"),
    [("catalog.exports.tfrecord:write_record", 20), ("catalog.exports.targets:_put_in_place", 1)],
)
def test_a_killed_export_of_the_dataset_leaves_the_earlier_folder(
    store: Path, tmp_path: Path, function: str, num_calls: int
) -> None:
    out = tmp_path / "out"
    arguments = ["dataset", str(out), "--format", "tfrecord", "--store", str(store)]
    assert main(["export", *arguments, "--split", "test"]) == 0
    before = contents(out)
    killed = export("tests.faults.export_until_killed", function, num_calls, *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert contents(out) == before
    assert main(["export", *arguments]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert contents(out) != before


def test_a_killed_export_of_the_catalog_leaves_the_earlier_file(store: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_bytes(b"the earlier export")
    function = "catalog.exports.catalog_files:_flat"
    killed = export(
        "tests.faults.export_until_killed", function, 1, "catalog", tmp_path / "catalog.csv", "--store", store
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "catalog.csv").read_bytes() == b"the earlier export"
