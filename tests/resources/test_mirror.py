"""The mirror: whatever happened to either side, a fetch or a put makes both hold the same."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from resources.mirror import fetch, put, scratch

NAMES = ("weights.safetensors", "encoder.json", "best/weights.safetensors", "best/encoder.json")
NUMBERS = itertools.count()

writes = st.tuples(st.sampled_from(NAMES), st.one_of(st.none(), st.binary(max_size=20)))  # None removes
steps = st.lists(st.one_of(st.tuples(st.just("there"), writes), st.tuples(st.sampled_from(["fetch"]), st.none())))


def remote_folder() -> UPath:
    """A new folder of fsspec's file system in memory."""
    return UPath(f"memory:///mirror-{next(NUMBERS)}")


def content(folder: Path | UPath) -> dict[str, bytes]:
    """What a folder holds, but for what begins with a dot."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {"/".join(path.parts[len(folder.parts) :]): path.read_bytes() for path in files}


def write(path: Path | UPath, data: bytes | None) -> None:
    """Write a file, or remove it."""
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@given(steps)
def test_a_fetched_folder_holds_what_lies_there(done: list) -> None:  # type: ignore[type-arg]
    remote = remote_folder()
    with TemporaryDirectory() as place:
        local = Path(place) / "encoder"
        for what, told in [*done, ("fetch", None)]:
            if what == "there":
                name, data = told
                write(remote / name, data)
            else:
                fetch(remote, local)
                assert content(local) == content(remote)


@given(st.lists(st.one_of(writes, st.just("put"))))
def test_a_folder_that_was_put_lies_there_and_elsewhere(done: list) -> None:  # type: ignore[type-arg]
    remote = remote_folder()
    with TemporaryDirectory() as place:
        local, other = Path(place) / "here", Path(place) / "elsewhere"
        local.mkdir()
        for told in [*done, "put"]:
            if told == "put":
                put(local, remote)
                fetch(remote, other)
                assert content(remote) == content(local) == content(other)
            else:
                name, data = told
                write(local / name, data)


def test_only_what_changed_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(remote / name, b"first")
    fetch(remote, tmp_path)
    moved: list[str] = []
    real_get, real_put = remote.fs.get_file, remote.fs.put_file
    monkeypatch.setattr(
        remote.fs, "get_file", lambda there, here: (moved.append(f"got {there}"), real_get(there, here))
    )
    monkeypatch.setattr(
        remote.fs, "put_file", lambda here, there: (moved.append(f"put {there}"), real_put(here, there))
    )
    fetch(remote, tmp_path)
    put(tmp_path, remote)
    assert moved == []
    write(remote / NAMES[0], b"second")
    fetch(remote, tmp_path)
    write(tmp_path / NAMES[1], b"third")
    put(tmp_path, remote)
    assert moved == [f"got {(remote / NAMES[0]).path}", f"put {(remote / NAMES[1]).path}"]


def test_what_was_lost_there_is_put_again(tmp_path: Path) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(tmp_path / name, b"first")
    put(tmp_path, remote)
    write(remote / NAMES[0], None)
    write(remote / NAMES[1], None)
    write(tmp_path / NAMES[1], None)  # nor is what is on neither side asked to be removed
    put(tmp_path, remote)
    assert content(remote) == content(tmp_path) == dict.fromkeys([NAMES[0], *NAMES[2:]], b"first")


def test_services_that_have_a_bucket_of_one_name_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {scratch("s3://bucket/store"), scratch("s3://bucket-store")}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example")
    assert len(places | {scratch("s3://bucket/store")}) == 3


def test_records_are_moved_last_and_checkpoints_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remote_folder()
    for name in (*NAMES, "checkpoint.pt", ".hidden"):
        write(tmp_path / name, b"first")
    moved: list[str] = []
    real_put = remote.fs.put_file
    monkeypatch.setattr(remote.fs, "put_file", lambda here, there: (moved.append(there), real_put(here, there)))
    put(tmp_path, remote)
    assert [name.rpartition(".")[2] for name in moved] == ["safetensors", "safetensors", "json", "json"]
    assert set(content(remote)) == set(NAMES)


def test_a_fetch_that_breaks_off_leaves_whole_files_and_the_next_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(remote / name, b"first")
    fetch(remote, tmp_path)
    for name in NAMES:
        write(remote / name, b"second")

    def broken(there: str, here: str) -> None:
        Path(here).write_bytes(b"half")
        raise OSError("the line is cut")

    with monkeypatch.context() as patch:
        patch.setattr(remote.fs, "get_file", broken)
        with pytest.raises(OSError, match="the line is cut"):
            fetch(remote, tmp_path)
    assert content(tmp_path) == dict.fromkeys(NAMES, b"first")
    assert not list(tmp_path.rglob("*.part"))
    fetch(remote, tmp_path)
    assert content(tmp_path) == dict.fromkeys(NAMES, b"second")
