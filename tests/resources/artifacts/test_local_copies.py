"""Local copies: whatever changed on either side, a download or an upload makes both sides equal."""

import ast
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from resources.artifacts import local_copies
from resources.artifacts.local_copies import download, scratch, upload
from resources.store import Store
from tests.conftest import REPOSITORY
from tests.sources import parsed

NAMES = ("weights.safetensors", "encoder.json", "best/weights.safetensors", "best/encoder.json")
NUMBERS = itertools.count()
# Folders of `Store.scratch` that modules may name: no other machine needs them. Shared ones go through `Store.writing`.
LOCAL_FOLDERS = {"cache", "searches", "mlflow", "dagster"}
# Its ranks read the rows that the first process leaves there, and a training resumes from the checkpoint in it.
NAMES_ANOTHER = {"catalog_assets/encoders/pretraining.py": {"encoders"}}

changes = st.tuples(st.sampled_from(NAMES), st.one_of(st.none(), st.binary(max_size=20)))  # None removes


def remote_folder() -> UPath:
    """A new folder of fsspec's file system in memory."""
    return UPath(f"memory:///remote-{next(NUMBERS)}")


def content(folder: Path | UPath) -> dict[str, bytes]:
    """The files of a folder, but for those that begin with a dot."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {"/".join(path.parts[len(folder.parts) :]): path.read_bytes() for path in files}


def write(path: Path | UPath, data: bytes | None) -> None:
    """Write a file, or remove it."""
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@settings(deadline=None)  # a busy machine is not a failure
@given(st.lists(st.one_of(changes, st.just("download"))))
def test_a_downloaded_folder_holds_the_remote_files(steps: list) -> None:  # type: ignore[type-arg]
    remote = remote_folder()
    with TemporaryDirectory() as folder:
        local = Path(folder) / "encoder"
        for step in [*steps, "download"]:
            if step == "download":
                download(remote, local)
                assert content(local) == content(remote)
            else:
                name, data = step
                write(remote / name, data)


@settings(deadline=None)  # a busy machine is not a failure
@given(st.lists(st.one_of(changes, st.just("upload"))))
def test_an_uploaded_folder_is_downloaded_elsewhere_as_it_was(steps: list) -> None:  # type: ignore[type-arg]
    remote = remote_folder()
    with TemporaryDirectory() as folder:
        local, other = Path(folder) / "here", Path(folder) / "elsewhere"
        local.mkdir()
        for step in [*steps, "upload"]:
            if step == "upload":
                upload(local, remote)
                download(remote, other)
                assert content(remote) == content(local) == content(other)
            else:
                name, data = step
                write(local / name, data)


def test_only_what_changed_is_transferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(remote / name, b"first")
    download(remote, tmp_path)
    transferred: list[str] = []
    get, put = remote.fs.get_file, remote.fs.put_file
    monkeypatch.setattr(
        remote.fs, "get_file", lambda there, here: (transferred.append(f"got {there}"), get(there, here))
    )
    monkeypatch.setattr(
        remote.fs, "put_file", lambda here, there: (transferred.append(f"put {there}"), put(here, there))
    )
    download(remote, tmp_path)
    upload(tmp_path, remote)
    assert transferred == []
    write(remote / NAMES[0], b"second")
    download(remote, tmp_path)
    write(tmp_path / NAMES[1], b"third")
    upload(tmp_path, remote)
    assert transferred == [f"got {(remote / NAMES[0]).path}", f"put {(remote / NAMES[1]).path}"]


def test_what_was_lost_remotely_is_uploaded_again(tmp_path: Path) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(tmp_path / name, b"first")
    upload(tmp_path, remote)
    write(remote / NAMES[0], None)
    write(remote / NAMES[1], None)
    write(tmp_path / NAMES[1], None)  # what is on neither side is not removed again
    upload(tmp_path, remote)
    assert content(remote) == content(tmp_path) == dict.fromkeys([NAMES[0], *NAMES[2:]], b"first")


def test_two_services_with_a_bucket_of_one_name_have_separate_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {scratch("s3://bucket/store"), scratch("s3://bucket-store")}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example")
    assert len(folders | {scratch("s3://bucket/store")}) == 3


def test_records_are_uploaded_last_and_checkpoints_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remote_folder()
    for name in (*NAMES, "checkpoint.pt", ".hidden"):
        write(tmp_path / name, b"first")
    uploaded: list[str] = []
    put = remote.fs.put_file
    monkeypatch.setattr(remote.fs, "put_file", lambda here, there: (uploaded.append(there), put(here, there)))
    upload(tmp_path, remote)
    assert [name.rpartition(".")[2] for name in uploaded] == ["safetensors", "safetensors", "json", "json"]
    assert set(content(remote)) == set(NAMES)


def test_a_download_that_is_cut_off_leaves_whole_files_and_the_next_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = remote_folder()
    for name in NAMES:
        write(remote / name, b"first")
    download(remote, tmp_path)
    for name in NAMES:
        write(remote / name, b"second")

    def broken(there: str, here: str) -> None:
        Path(here).write_bytes(b"half")
        raise OSError("the connection is cut")

    with monkeypatch.context() as patch:
        patch.setattr(remote.fs, "get_file", broken)
        with pytest.raises(OSError, match="the connection is cut"):
            download(remote, tmp_path)
    assert content(tmp_path) == dict.fromkeys(NAMES, b"first")
    assert not list(tmp_path.rglob("*.part"))
    download(remote, tmp_path)
    assert content(tmp_path) == dict.fromkeys(NAMES, b"second")


@pytest.fixture
def remote_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHELFSIGHT_SCRATCH", str(tmp_path))
    return Store(root=str(remote_folder()))


def test_a_block_that_succeeds_uploads_what_it_wrote(remote_store: Store) -> None:
    with remote_store.writing("encoders", "tiny") as folder:
        (folder / "encoder.json").write_text("{}")
        assert content(remote_store.path) == {}
    assert content(remote_store.path) == {"encoders/tiny/encoder.json": b"{}"}
    assert remote_store.sync_down("encoders", "tiny") == folder


def test_a_block_that_fails_uploads_nothing_and_the_next_one_all(remote_store: Store) -> None:
    with remote_store.writing("encoders", "tiny") as folder:
        (folder / "encoder.json").write_text("first")
    with pytest.raises(ValueError, match="diverged"), remote_store.writing("encoders", "tiny") as folder:
        (folder / "encoder.json").write_text("second")
        raise ValueError("the training diverged")
    assert content(remote_store.path) == {"encoders/tiny/encoder.json": b"first"}
    with remote_store.writing("encoders", "tiny"):
        pass
    assert content(remote_store.path) == {"encoders/tiny/encoder.json": b"second"}


def test_a_local_store_is_written_and_read_in_place(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    with store.writing("encoders", "tiny") as folder:
        assert folder == tmp_path / "store" / "encoders" / "tiny"
    assert store.sync_down("encoders", "tiny") == folder
    assert list(folder.iterdir()) == []


def test_modules_name_only_local_folders_of_scratch_and_upload_through_the_store() -> None:
    for path in [
        file for name in ("resources", "catalog_assets", "shelfsight") for file in (REPOSITORY / name).rglob("*.py")
    ]:
        module = path.relative_to(REPOSITORY).as_posix()
        tree = parsed(path)
        folders = {str(node.right.value) for node in ast.walk(tree) if is_below_scratch(node)}  # type: ignore[attr-defined]
        assert folders <= LOCAL_FOLDERS | NAMES_ANOTHER.get(module, set()), module
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert "sync_up" not in calls or module == "resources/store.py", module
    assert local_copies.sync_up.__name__ == "sync_up"


def is_below_scratch(node: ast.AST) -> bool:
    """Returns True if an expression is `something.scratch / "name"`."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.left, ast.Attribute)
        and node.left.attr == "scratch"
        and isinstance(node.right, ast.Constant)
    )
