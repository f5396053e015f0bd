"""Retention: what in a store nothing refers to any more, and its removal; nothing that a champion was made of is."""

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml.deployment.deployment import POINTER
from resources.store import Store

DAY_S = 86_400.0
UNNEEDED = "no recipe has this name, and no champion was made from it"
# What is kept of each recipe, by the kind of recipe that names the folder, and what stands before the name.
OF_ENCODERS = {"encoders": "", "embeddings": "encoder=", "encoder_quality": "encoder=", "similarity_index": ""}
OF_CLASSIFIERS = {
    "classifiers": "",
    "predictions": "classifier=",
    "metrics": "classifier=",
    "confusion": "classifier=",
    "calibration": "classifier=",
    "confidence": "classifier=",
}


@dataclass(frozen=True, kw_only=True)
class Superseded:
    """A file or folder that nothing refers to: its size, and why it may go."""

    path: Path
    bytes: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names that partitions have now."""

    encoders: Collection[str]
    classifiers: Collection[str]


def superseded(store: Store, known: Known, min_age_s: float) -> list[Superseded]:
    """What may go, as far as it has lain untouched for `min_age_s`: whatever is being written is younger.

    That is what recipes that are gone have left, deployments that neither answer nor did so last, checkpoints of
    trainings that ended, and files that were never finished. The encoder and the teachers of a classifier that was ever
    promoted are kept, and so is all of `champion/`.
    """
    root = store.local
    encoders, teachers = set(_encoders_of_champions(store)), set(_teachers_of_champions(store))
    found = [
        *_unnamed(root, OF_ENCODERS, {*known.encoders, *encoders}, UNNEEDED),
        *_unnamed(root, OF_CLASSIFIERS, {*known.classifiers, *teachers}, UNNEEDED),
        *_former_deployments(store),
        *((path, "its training has ended") for path in root.glob("*/*/checkpoint.pt") if _has_ended(path)),
        *((path, "it was never finished") for path in _unfinished(root)),
    ]
    before = time.time() - min_age_s
    aged = [(path, reason) for path, reason in found if _newest(path) <= before]
    return [Superseded(path=path, bytes=_size(path), reason=reason) for path, reason in sorted(aged)]


def remove(superseded: Collection[Superseded]) -> None:
    """Remove it all."""
    for each in superseded:
        if each.path.is_dir():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)


def _unnamed(root: Path, folders: Mapping[str, str], names: Collection[str], reason: str) -> Iterator[tuple[Path, str]]:
    for folder, prefix in folders.items():
        for path in (root / folder).glob(f"{prefix}*"):
            if path.is_dir() and path.name.removeprefix(prefix) not in names:
                yield path, reason


def _encoders_of_champions(store: Store) -> Iterator[str]:
    """The encoder that each classifier that was ever promoted was made from, and that encoder's parents."""
    for record in store.local.glob("champion/*/classifier.json"):
        told = store.read_json("champion", record.parent.name, "classifier.json") or {}
        name = told.get("recipe", {}).get("encoder")
        while name:
            yield name
            name = (store.read_json("encoders", name, "encoder.json") or {}).get("parent")


def _teachers_of_champions(store: Store) -> Iterator[str]:
    """The classifiers that taught one that was ever promoted; of an ensemble, its members."""
    for record in store.local.glob("champion/*/classifier.json"):
        told = store.read_json("champion", record.parent.name, "classifier.json") or {}
        teacher = (told.get("recipe", {}).get("distillation") or {}).get("teacher")
        if teacher:
            yield teacher
            yield from (store.read_json("ensembles", f"ensemble={teacher}", "ensemble.json") or {}).get("members", {})


def _former_deployments(store: Store) -> Iterator[tuple[Path, str]]:
    """Those that neither answer nor did so before the one that does."""
    pointer = store.read_json(*POINTER)
    if pointer is None:
        return
    for path in (store.local / "deployment").iterdir():
        if path.is_dir() and path.name not in (pointer["folder"], pointer["former"]):
            yield path, "it is neither the deployment that answers nor the one before"


def _has_ended(checkpoint: Path) -> bool:
    """Whether what the checkpoint was for has been written since."""
    written = [path for path in checkpoint.parent.glob("*.json") if path.stat().st_mtime >= checkpoint.stat().st_mtime]
    return bool(written)


def _unfinished(root: Path) -> Iterator[Path]:
    for pattern in ("*.part", "*.writing"):
        yield from (path for path in root.glob(f"**/.{pattern}") if path.is_file())


def _newest(path: Path) -> float:
    """When a file, or anything in a folder, was last written."""
    inner = [each.stat().st_mtime for each in path.rglob("*")] if path.is_dir() else []
    return max([path.stat().st_mtime, *inner])


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
