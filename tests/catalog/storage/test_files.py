"""Files of the store: whole or not at all."""

import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from upath import UPath

from catalog.storage.files import (
    StoreNotReadableError,
    StoreNotWritableError,
    fingerprint,
    read_if_exists,
    remove_abandoned,
    replace_file,
    write_parquet,
)


@pytest.fixture(params=["local", "remote"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """A folder on the disk, and one on a file system that is not the machine's own."""
    return UPath(tmp_path) if request.param == "local" else UPath(f"memory://{uuid4().hex}")


def test_a_file_appears_in_its_place_once_the_block_ends(folder: UPath) -> None:
    path = folder / "a" / "b" / "table.bin"
    with replace_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


def test_an_old_file_stays_readable_until_the_new_one_is_whole(folder: UPath) -> None:
    path = folder / "table.bin"
    for content in (b"old", b"new"):
        with replace_file(path) as file:
            file.write(content)
            file.flush()
            assert not path.exists() or path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_failing_block_leaves_the_old_file_and_nothing_else(folder: UPath) -> None:
    path = folder / "table.bin"
    with replace_file(path) as file:
        file.write(b"old")

    def write_half_and_fail() -> None:
        with replace_file(path) as file:
            file.write(b"half")
            file.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half_and_fail()
    assert path.read_bytes() == b"old"
    assert [child.name for child in folder.iterdir()] == ["table.bin"]


def test_an_unfinished_file_is_hidden_and_not_named_parquet(tmp_path: Path) -> None:
    with replace_file(UPath(tmp_path / "data.parquet")) as file:
        file.write(b"half")
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.name.startswith(".")
        assert unfinished.suffix != ".parquet"


def test_a_new_file_is_as_readable_for_others_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with replace_file(UPath(tmp_path / "replaced")) as file:
        file.write(b"")
    assert (tmp_path / "replaced").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_unwritable_store_is_one_line_with_path_and_way_out(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    path = UPath(tmp_path / "store" / "products" / "data.parquet")
    with pytest.raises(StoreNotWritableError) as caught:
        write_parquet(pl.DataFrame({"a": [1]}), path)
    assert str(path) in str(caught.value)
    assert "SHELFSIGHT_STORE" in str(caught.value)
    assert "\n" not in str(caught.value)


@contextmanager
def no_file_beyond(num_bytes: int) -> Iterator[None]:
    """As on a disk that is nearly full: what would make a file larger than this fails, in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("is_table", [True, False], ids=["Polars writes", "Python writes"])
def test_a_full_disk_during_a_write_is_named(
    folder: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_table: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where a remote file is finished before it is put
    path, content = folder / "data.parquet", hashlib.shake_128(b"").digest(300_000)
    with replace_file(path) as file:
        file.write(b"old")

    def write() -> None:
        if is_table:
            write_parquet(pl.DataFrame({"a": [content]}), path)
        else:
            with replace_file(path) as file:
                file.write(content)

    named = str(tmp_path if path.protocol == "memory" else path)
    with no_file_beyond(100_000), pytest.raises(StoreNotWritableError, match="File too large") as caught:
        write()
    assert f"cannot write {named!r}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    write()
    assert path.stat().st_size >= 300_000


def test_other_errors_of_the_block_pass_unchanged(folder: UPath, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"), replace_file(folder / "a") as file:
        file.write((tmp_path / "missing").read_bytes())
    assert not (folder / "a").exists()


def test_a_table_comes_back_as_it_was_written(folder: UPath) -> None:
    frame = pl.DataFrame({"id": ["a", None], "level": [1, 2]})
    write_parquet(frame, folder / "data.parquet")
    with (folder / "data.parquet").open("rb") as file:
        assert pl.read_parquet(file).equals(frame)


def test_a_fingerprint_is_the_sha256_of_the_content(folder: UPath) -> None:
    content = bytes(range(256)) * 10_000
    with replace_file(folder / "file") as file:
        file.write(content)
    assert fingerprint(folder / "file") == hashlib.sha256(content).hexdigest()


def test_the_same_bytes_again_leave_the_file_alone(tmp_path: Path) -> None:
    path = UPath(tmp_path / "table")
    with replace_file(path) as file:
        file.write(b"rows")
    first = (tmp_path / "table").stat().st_ino
    with replace_file(path) as file:
        file.write(b"rows")
    assert (tmp_path / "table").stat().st_ino == first
    assert [child.name for child in tmp_path.iterdir()] == ["table"]


def test_read_if_exists_returns_the_content_or_none(folder: UPath) -> None:
    path = folder / "table.bin"
    assert read_if_exists(path) is None
    with replace_file(path) as file:
        file.write(b"whole")
    assert read_if_exists(path) == b"whole"


def test_an_unreadable_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "table.bin").mkdir()
    with pytest.raises(StoreNotReadableError, match=r"cannot read '.*table\.bin': .*; grant read permission"):
        read_if_exists(UPath(tmp_path / "table.bin"))


def test_only_unfinished_files_unchanged_for_a_day_are_removed(tmp_path: Path) -> None:
    old, young, table = tmp_path / ".old.writing", tmp_path / ".young.writing", tmp_path / "table.parquet"
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (old, young, table):
        path.touch()
    for path in (old, table):
        os.utime(path, (two_days_ago, two_days_ago))
    remove_abandoned(UPath(tmp_path))
    assert not old.exists()
    assert young.exists()
    assert table.exists()
