"""Compare-and-swap of one file, on a disk and on S3: of two writers, none undoes what the other has written."""

import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from catalog.storage import commits
from catalog.storage.commits import ConflictError, commit
from catalog.storage.files import StoreNotWritableError, read_if_exists
from tests.faults.test_object_store import client, store_at

# Of the S3 server, its client and what they are made of; none is ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["disk", "s3", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    if request.param == "disk":
        return UPath(tmp_path)
    if request.param == "memory":
        return UPath(f"memory://{uuid4().hex}")
    endpoint: str = request.getfixturevalue("endpoint")
    client("s3", endpoint).create_bucket(Bucket="catalog")
    return store_at(endpoint) / uuid4().hex


def test_a_file_is_created_and_replaced(folder: UPath) -> None:
    path = folder / "new" / "pointer.json"
    commit(path, b"one", replacing=None)
    commit(path, b"two", replacing=b"one")
    assert read_if_exists(path) == b"two"


@pytest.mark.parametrize("replacing", [None, b"one", b""], ids=["no file", "a former one", "an empty one"])
def test_a_writer_that_has_read_something_else_is_refused(folder: UPath, replacing: bytes | None) -> None:
    path = folder / "pointer.json"
    commit(path, b"two", replacing=None)
    with pytest.raises(
        ConflictError, match=r"pointer\.json' was changed by another process since it was read; .*again"
    ):
        commit(path, b"three", replacing=replacing)
    assert read_if_exists(path) == b"two"


def test_a_file_that_was_removed_is_no_longer_what_was_read(folder: UPath) -> None:
    with pytest.raises(ConflictError):
        commit(folder / "pointer.json", b"two", replacing=b"one")
    assert read_if_exists(folder / "pointer.json") is None


def test_what_is_committed_already_is_done(folder: UPath) -> None:
    path = folder / "pointer.json"
    commit(path, b"two", replacing=None)
    commit(path, b"two", replacing=b"one")  # as after a kill, or a response that was lost
    assert read_if_exists(path) == b"two"


@pytest.mark.parametrize("former", [None, b"one"], ids=["created", "replaced"])
def test_on_s3_a_writer_that_comes_between_the_comparison_and_the_put_wins(
    endpoint: str, former: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("s3", endpoint).create_bucket(Bucket="catalog")
    path = store_at(endpoint) / uuid4().hex / "pointer.json"
    if former is not None:
        commit(path, former, replacing=None)

    def read(place: UPath) -> bytes | None:
        """The content, after which another process writes."""
        content = read_if_exists(place)
        if content == former:
            place.write_bytes(b"of the other")
        return content

    monkeypatch.setattr(commits, "read_if_exists", read)
    with pytest.raises(ConflictError):
        commit(path, b"mine", replacing=former)
    assert path.read_bytes() == b"of the other"


def test_a_bucket_that_does_not_exist_is_named(endpoint: str) -> None:
    missing = UPath("s3://nowhere/pointer.json", **store_at(endpoint).storage_options)
    with pytest.raises(StoreNotWritableError, match=r"cannot write 's3://nowhere/pointer\.json': .*bucket"):
        commit(missing, b"one", replacing=None)


NUM_PROCESSES, NUM_CHANGES = 4, 10


def append(path: str, name: str) -> None:
    """Add lines to a file, each by reading, changing and committing it, again where another came first."""
    file = UPath(path)
    for number in range(NUM_CHANGES):
        while True:
            former = read_if_exists(file)
            try:
                commit(file, (former or b"") + f"{name}{number}\n".encode(), replacing=former)
            except ConflictError:
                continue
            break


def test_of_many_processes_no_change_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=append, args=(str(path), name)) for name in "abcd"[:NUM_PROCESSES]]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    lines = path.read_text().split()
    assert sorted(lines) == sorted(f"{name}{number}" for name in "abcd" for number in range(NUM_CHANGES))
    assert [file.name for file in tmp_path.iterdir()] == ["lines"]
