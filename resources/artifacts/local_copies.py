"""Local copies of folders of a remote store, for libraries that read and write files by path.

Weights, indexes and exported networks are such files. `sync_down` brings a copy up to date, `sync_up` uploads what was
written into it; both transfer only files that changed, which a list beside the copy records. A store that is a folder
of this machine needs no copies: both leave it alone.

fsspec's file cache (`filecache` with `check_files`) was tried for the reading half; the tests of this module are the
oracle. It keeps three guarantees too few: a file is downloaded onto its old copy, so that a download that is cut off
destroys that copy and a process that reads it meanwhile sees half a file; its names are flat, but weights and their
record have to lie in one folder under their own names; and a file that was removed remotely stays.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from upath import UPath

from catalog.storage.files import is_remote, store_path
from resources.settings import Settings, service_address

WAREHOUSE = "warehouse"  # the folder of a remote store that holds the DuckDB file
LIST = ".mirrored.json"
LOCAL_ONLY = frozenset({"checkpoint.pt"})  # a training resumes where it was started

Synced = dict[str, dict[str, Any]]  # by path in the folder: the remote version, and the local size and time


def scratch(root: str) -> Path:
    """Returns a local folder that has a store's layout: the store itself, or copies of a remote store's folders.

    Copies lie below SHELFSIGHT_SCRATCH (~/.cache/shelfsight), with what no other machine needs: caches, checkpoints,
    ledgers of searches.
    """
    if not is_remote(root):
        return Path(UPath(root).path)
    copies = Settings.read().scratch
    plain = re.sub(r"[^A-Za-z0-9]+", "-", root)
    # Two services may have a bucket of the same name: their address distinguishes them.
    named = hashlib.sha256(f"{service_address()} {root}".encode()).hexdigest()
    return copies / f"{plain}-{named[:8]}"


def sync_down(root: str, *parts: str) -> Path:
    """Returns a folder of a store as a local folder: itself, or a local copy that was brought up to date."""
    folder = scratch(root).joinpath(*parts)
    if is_remote(root):
        download(store_path(root).joinpath(*parts), folder)
    return folder


def sync_up(root: str, *parts: str) -> None:
    """Uploads what was written into such a folder of `scratch`, where the store is remote."""
    if is_remote(root):
        upload(scratch(root).joinpath(*parts), store_path(root).joinpath(*parts))


def warehouse_folder(root: str) -> tuple[str, ...]:
    """The path, in a store, of the folder that holds its DuckDB file."""
    return (WAREHOUSE,) if is_remote(root) else ()


def database(root: str) -> Path:
    """Returns a store's DuckDB file as a local file."""
    folder = sync_down(root, WAREHOUSE) if is_remote(root) else scratch(root)
    return folder / "catalog.duckdb"


def download(remote: UPath, local: Path) -> None:
    """Makes `local` hold the files of `remote`; local files that were never remote are left alone.

    Each file is replaced as a whole, records (JSON) last.

    Raises:
        OSError: a file cannot be read (or what the store's client raises).
    """
    synced, infos = _synced(local), _infos(remote)
    before = dict(synced)
    for name in sorted(infos, key=_records_last):
        entry = synced.get(name)
        if entry is not None and entry["version"] == _version(infos[name]) and entry["here"] == _stamp(local / name):
            continue
        path = local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            remote.fs.get_file(str(infos[name]["name"]), str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        synced[name] = {"version": _version(infos[name]), "here": _stamp(path)}
    for name in set(synced) - set(infos):
        (local / name).unlink(missing_ok=True)
        del synced[name]
    if synced != before:
        _write(local, synced)


def upload(local: Path, remote: UPath) -> None:
    """Makes `remote` hold the files of `local`, records (JSON) last: a record is never there before its files.

    An upload that fails keeps what was uploaded, and the next call continues.

    Raises:
        OSError: a file cannot be written (or what the store's client raises).
    """
    synced, infos = _synced(local), _infos(remote)
    names = [path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file() and _is_shared(path)]
    for name in sorted(names, key=_records_last):
        stamp = _stamp(local / name)
        if name in infos and name in synced and synced[name]["here"] == stamp:
            continue
        target = remote / name
        remote.fs.put_file(str(local / name), target.path)
        synced[name] = {"version": _version(remote.fs.info(target.path)), "here": stamp}
        _write(local, synced)
    for name in set(synced) - set(names):
        if name in infos:
            remote.fs.rm_file((remote / name).path)
        del synced[name]
    _write(local, synced)


def _is_shared(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in LOCAL_ONLY


def _records_last(name: str) -> tuple[bool, str]:
    return name.endswith(".json"), name


def _infos(remote: UPath) -> dict[str, Mapping[str, Any]]:
    """The store's information about every file below a folder, by its path in it; empty without such a folder."""
    root = PurePosixPath(remote.path)
    try:
        found = remote.fs.find(remote.path, detail=True)
    except FileNotFoundError:
        return {}
    return {PurePosixPath(name).relative_to(root).as_posix(): info for name, info in found.items()}


def _version(info: Mapping[str, Any]) -> str:
    """A text that changes with a file's content: its entity tag, or its size and time where a store has no tags."""
    tag = info.get("ETag") or info.get("etag")
    time = info.get("LastModified") or info.get("mtime") or info.get("created")
    return str(tag or f"{info['size']} {time}")


def _stamp(path: Path) -> list[int] | None:
    if not path.is_file():
        return None
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _synced(local: Path) -> Synced:
    path = local / LIST
    synced: Synced = json.loads(path.read_text()) if path.is_file() else {}
    return synced


def _write(local: Path, synced: Synced) -> None:
    local.mkdir(parents=True, exist_ok=True)
    part = local / f"{LIST}.{os.getpid()}.part"
    part.write_text(json.dumps(synced, sort_keys=True))
    part.replace(local / LIST)
