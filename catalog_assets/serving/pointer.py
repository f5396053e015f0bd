"""The pointer to the current deployment: the one commit of a deployment, from which the alias in MLflow follows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from catalog.storage.commits import commit
from catalog.storage.durable import sync_tree
from catalog.storage.files import read_if_exists
from ml.deployment.deployment import METADATA_FILE, POINTER
from ml.file_digests import file_sha256
from resources.mlflow.serving import MODEL, register_served
from resources.mlflow.tracking import Tracking
from resources.store import Store


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """The pointer as it was read: its record, empty before the first deployment, and the file's content."""

    record: Mapping[str, Any]
    content: bytes | None


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A deployment in use: its folder on this machine, and its version in MLflow."""

    folder: Path
    version: str


def pointer_path(store: Store) -> UPath:
    """Returns the file that names the deployment in use."""
    return store.path.joinpath(*POINTER)


def read_pointer(store: Store) -> Pointer:
    """Reads which deployment is in use, and which was before."""
    content = read_if_exists(pointer_path(store))
    return Pointer(record={} if content is None else json.loads(content), content=content)


def put_in_use(
    store: Store, tracking: Tracking, run_id: str, candidate: Path, facts: Mapping[str, Any], former: Pointer
) -> Deployed:
    """Makes a deployment the current one.

    Its files come first, flushed; then its version in MLflow; then the pointer, which is the commit and names both;
    then the alias `current`. A process that is killed before the commit leaves the former deployment in use. One that
    is killed after it may leave the alias on the former version, until `repair_alias` or the next deployment.

    Args:
        store: the store.
        tracking: MLflow.
        run_id: the MLflow run that made the deployment.
        candidate: the folder of its files, which are moved.
        facts: its metadata.
        former: the pointer as it was read before the deployment was made.

    Raises:
        ConflictError: another deployment was put in use since then; it stays.
    """
    with store.writing("deployment", candidate.name) as folder:
        for file in sorted(candidate.iterdir(), key=lambda file: file.name == METADATA_FILE):
            file.replace(folder / file.name)
        sync_tree(folder)
    candidate.rmdir()
    version = register_served(tracking, run_id, folder, facts)
    record = {
        "folder": folder.name,
        "former": former.record.get("folder"),
        "sha256": file_sha256(folder / METADATA_FILE),  # of the metadata, which has the hashes of the other files
        "version": version,
    }
    commit(pointer_path(store), json.dumps(record, indent=2, sort_keys=True).encode(), replacing=former.content)
    repair_alias(store, tracking)
    return Deployed(folder=folder, version=version)


def repair_alias(store: Store, tracking: Tracking) -> None:
    """Points the alias `current` in MLflow to the version that the pointer names, whichever run moved it last."""
    pointer = read_pointer(store)
    while (version := pointer.record.get("version")) is not None:
        tracking.make_current(MODEL, version)
        newest = read_pointer(store)
        if newest.content == pointer.content:
            return
        pointer = newest
