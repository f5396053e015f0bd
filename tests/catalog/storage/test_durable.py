"""Names that survive a power failure: every folder is flushed after an entry of it has changed."""

import errno
import os
from pathlib import Path

import pytest
from upath import UPath

from catalog.storage.durable import make_folder, sync_folder
from catalog.storage.files import StoreNotWritableError, replace_file


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that are flushed, in order."""
    paths: list[Path] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


def write(path: Path, content: bytes = b"rows") -> None:
    with replace_file(UPath(path)) as file:
        file.write(content)


def test_a_file_is_flushed_and_then_its_folder(tmp_path: Path, synced: list[Path]) -> None:
    write(tmp_path / "table")
    assert [path.suffix or path for path in synced] == [".writing", tmp_path]


def test_new_folders_are_flushed_from_the_outermost(tmp_path: Path, synced: list[Path]) -> None:
    write(tmp_path / "a" / "b" / "table")
    assert synced[:2] == [tmp_path, tmp_path / "a"]
    assert synced[-1] == tmp_path / "a" / "b"


def test_the_folder_of_an_equal_file_is_flushed_too(tmp_path: Path, synced: list[Path]) -> None:
    write(tmp_path / "table")
    synced.clear()
    write(tmp_path / "table")  # a writer that was killed after the renaming may not have flushed the folder
    assert synced[-1] == tmp_path


def test_a_folder_that_exists_is_not_flushed(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path)
    assert synced == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_flushes_no_folders_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    sync_folder(tmp_path)


def test_a_failing_disk_under_a_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreNotWritableError, match=r"cannot write '.*table': Input/output error"):
        write(tmp_path / "table")
