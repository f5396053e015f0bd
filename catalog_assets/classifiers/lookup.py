"""Lookup: what a classifier's name stands for: its asset, its members, and the folder and record of each."""

from pathlib import Path
from typing import Any, Literal

from resources.recipes import RECIPES
from resources.store import Store

RECORD_FILE = "classifier.json"


def asset_of(name: str) -> Literal["classifiers", "students", "ensembles"]:
    """Return the asset that has a classifier as a partition, which is also its folder in the store."""
    if name in RECIPES.ensembles:
        return "ensembles"
    return "students" if name in RECIPES.students else "classifiers"


def members_of(name: str) -> tuple[str, ...]:
    """Return an ensemble's members; of any other classifier, itself alone."""
    return RECIPES.ensembles[name].members if name in RECIPES.ensembles else (name,)


def classifier_folder(store: Store, name: str) -> Path:
    """Return the folder with the weights and the record of a classifier or a student, on this machine."""
    return store.sync_down(asset_of(name), name)


def classifier_record(store: Store, name: str) -> dict[str, Any] | None:
    """Return the record of the training of a classifier or a student; None where it was never trained."""
    return store.read_json(asset_of(name), name, RECORD_FILE)


def classifier_sha256(store: Store, name: str) -> str:
    """Return the fingerprint of a classifier or a student; FileNotFoundError where it was never trained."""
    record = classifier_record(store, name)
    if record is None:
        asset = asset_of(name)
        raise FileNotFoundError(f"{asset}/{name} is not in the store; materialize {asset}[{name}] first")
    return str(record["sha256"])


def ensemble_record(store: Store, name: str) -> dict[str, Any]:
    """Return the weights of an ensemble and the fingerprints of its members.

    Raises:
        FileNotFoundError: it was never fitted.
        ValueError: a member was trained again since.
    """
    record = store.read_json("ensembles", f"ensemble={name}", "ensemble.json")
    if record is None:
        raise FileNotFoundError(f"ensemble {name!r} is not in the store; materialize ensembles[{name}]")
    changed = [each for each, sha256 in record["members"].items() if classifier_sha256(store, each) != sha256]
    if changed:
        raise ValueError(f"{', '.join(changed)} changed since ensemble {name!r} was fitted; materialize it again")
    return record
