"""The mirror: folders of a remote store copied to this machine, for what reads and writes files by their path.

Weights, indexes and exported networks are such. `here` brings a copy up to date, and `put_back` carries what was
written into it to the store; both move only files that have changed, which a list beside the copy tells. A store that
is a folder of this machine needs no copies: there both leave everything as it is.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from upath import UPath

from catalog.files import is_remote, place

WAREHOUSE = "warehouse"  # the folder of a remote store that holds the DuckDB file
LIST = ".mirrored.json"
OWN = frozenset({"checkpoint.pt"})  # what a training goes on from stays where it trains

Known = dict[str, dict[str, Any]]  # by a file's place in the folder: its version there, its size and time here


def scratch(root: str) -> Path:
    """A folder of this machine that has a store's layout: the store itself, or copies of a remote one's folders.

    A remote store's lie below SHELFSIGHT_SCRATCH (~/.cache/shelfsight), with what no other machine needs: caches,
    checkpoints, ledgers of searches.
    """
    if not is_remote(root):
        return Path(UPath(root).path)
    copies = os.environ.get("SHELFSIGHT_SCRATCH") or Path.home() / ".cache" / "shelfsight"
    plain = re.sub(r"[^A-Za-z0-9]+", "-", root)
    # Two services may have a bucket of one name: their address tells them apart.
    named = hashlib.sha256(f"{os.environ.get('AWS_ENDPOINT_URL', '')} {root}".encode()).hexdigest()
    return Path(copies) / f"{plain}-{named[:8]}"


def here(root: str, *parts: str) -> Path:
    """A folder of a store for what reads files by their path: itself, or a copy that was brought up to date."""
    folder = scratch(root).joinpath(*parts)
    if is_remote(root):
        fetch(place(root).joinpath(*parts), folder)
    return folder


def put_back(root: str, *parts: str) -> None:
    """Carry what was written into such a folder of `scratch` to the store, where that lies elsewhere."""
    if is_remote(root):
        put(scratch(root).joinpath(*parts), place(root).joinpath(*parts))


def database(root: str) -> Path:
    """A store's DuckDB file, on this machine."""
    return (here(root, WAREHOUSE) if is_remote(root) else scratch(root)) / "catalog.duckdb"


def fetch(remote: UPath, local: Path) -> None:
    """Make `local` hold the files of `remote` as they are; what was never there is left alone.

    A file takes its place whole. Raises OSError, or what the store's client raises, where it cannot be read.
    """
    known, infos = _known(local), _infos(remote)
    before = dict(known)
    for name in sorted(infos, key=_facts_last):
        held = known.get(name)
        if held is not None and held["version"] == _version(infos[name]) and held["here"] == _stamp(local / name):
            continue
        path = local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            remote.fs.get_file(str(infos[name]["name"]), str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        known[name] = {"version": _version(infos[name]), "here": _stamp(path)}
    for name in set(known) - set(infos):
        (local / name).unlink(missing_ok=True)
        del known[name]
    if known != before:
        _write(local, known)


def put(local: Path, remote: UPath) -> None:
    """Make `remote` hold the files of `local`, the JSON records last: who reads one finds what it tells of.

    Raises OSError, or what the store's client raises, where it cannot be written; what was put stays put, and the next
    call goes on.
    """
    known, infos = _known(local), _infos(remote)
    names = [path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file() and _is_shared(path)]
    for name in sorted(names, key=_facts_last):
        stamp = _stamp(local / name)
        if name in infos and name in known and known[name]["here"] == stamp:
            continue
        there = remote / name
        remote.fs.put_file(str(local / name), there.path)
        known[name] = {"version": _version(remote.fs.info(there.path)), "here": stamp}
        _write(local, known)
    for name in set(known) - set(names):
        if name in infos:
            remote.fs.rm_file((remote / name).path)
        del known[name]
    _write(local, known)


def _is_shared(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in OWN


def _facts_last(name: str) -> tuple[bool, str]:
    return name.endswith(".json"), name


def _infos(remote: UPath) -> dict[str, Mapping[str, Any]]:
    """What the store tells of every file below a folder, by its place in it; none where there is no such folder."""
    root = PurePosixPath(remote.path)
    try:
        found = remote.fs.find(remote.path, detail=True)
    except FileNotFoundError:
        return {}
    return {PurePosixPath(name).relative_to(root).as_posix(): info for name, info in found.items()}


def _version(info: Mapping[str, Any]) -> str:
    """What changes with a file's content: its entity tag, or its size and time where a store has none."""
    tag = info.get("ETag") or info.get("etag")
    when = info.get("LastModified") or info.get("mtime") or info.get("created")
    return str(tag or f"{info['size']} {when}")


def _stamp(path: Path) -> list[int] | None:
    if not path.is_file():
        return None
    held = path.stat()
    return [held.st_size, held.st_mtime_ns]


def _known(local: Path) -> Known:
    path = local / LIST
    known: Known = json.loads(path.read_text()) if path.is_file() else {}
    return known


def _write(local: Path, known: Known) -> None:
    local.mkdir(parents=True, exist_ok=True)
    part = local / f"{LIST}.{os.getpid()}.part"
    part.write_text(json.dumps(known, sort_keys=True))
    part.replace(local / LIST)
