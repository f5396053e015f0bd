"""Retention: finds and removes files of a store that nothing refers to any more; inputs of champions are kept."""

import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from catalog.products.feed_versions import feeds_with_versions
from ml.deployment.deployment import POINTER
from resources.artifacts.deployments import CANDIDATES
from resources.store import Store

DAY_S = 86_400.0
UNNEEDED = "no recipe has this name, and no champion was made from it"
# The folders of the store with one entry per recipe, and the prefix of the entry's name.
OF_ENCODERS = (("encoders", ""), ("embeddings", "encoder="), ("encoder_quality", "encoder="), ("similarity_index", ""))
OF_CLASSIFIERS = (
    *(("classifiers", ""), ("students", ""), ("students", "student="), ("ensembles", "ensemble=")),
    *((folder, "classifier=") for folder in ("predictions", "metrics", "confusion", "calibration", "confidence")),
)


@dataclass(frozen=True, kw_only=True)
class Superseded:
    """A file or folder that nothing refers to: its size, and the reason for its removal."""

    path: Path
    bytes: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """The current partition keys of encoders and classifiers, and the number of former versions to keep of a feed."""

    encoders: Collection[str]
    classifiers: Collection[str]
    kept_versions: int = 5


def superseded(store: Store, known: Known, min_age_s: float) -> list[Superseded]:
    """Returns removable files and folders that are unmodified for `min_age_s`, so none that is being written.

    These are results of recipes that no longer exist, deployments other than the current and the previous one,
    checkpoints of finished trainings, versions of feeds beyond those to keep, and unfinished files. The encoder and the
    teachers of every classifier that was ever promoted are kept, and so is all of `champion_decisions/`.
    """
    root = store.local
    encoders, teachers = set(_encoders_of_champions(store)), set(_teachers_of_champions(store))
    found = [
        *_unnamed(root, OF_ENCODERS, {*known.encoders, *encoders}, UNNEEDED),
        *_unnamed(root, OF_CLASSIFIERS, {*known.classifiers, *teachers}, UNNEEDED),
        *_former_deployments(store),
        *_former_versions(root, known.kept_versions),
        *((path, "it was not accepted as the deployment") for path in (root / CANDIDATES).glob("*")),
        *((path, "its training has ended") for path in root.glob("*/*/checkpoint.pt") if _has_ended(path)),
        *((path, "it is an unfinished file") for path in _unfinished(root)),
    ]
    before = time.time() - min_age_s
    aged = [(path, reason) for path, reason in found if _modified_at(path) <= before]
    return [Superseded(path=path, bytes=_size(path), reason=reason) for path, reason in sorted(aged)]


def remove(superseded: Collection[Superseded]) -> None:
    """Removes these files and folders."""
    for each in superseded:
        if each.path.is_dir():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)


def _unnamed(
    root: Path, folders: Iterable[tuple[str, str]], names: Collection[str], reason: str
) -> Iterator[tuple[Path, str]]:
    """Yields the entries of folders (folder, prefix) that belong to none of the names."""
    for folder, prefix in folders:
        for path in (root / folder).glob(f"{prefix}*"):
            name = path.name.removeprefix(prefix)
            if path.is_dir() and "=" not in name and name not in names:
                yield path, reason


def _encoders_of_champions(store: Store) -> Iterator[str]:
    """Yields the encoder of each classifier that was ever promoted, and that encoder's parents."""
    for record in store.local.glob("champion_decisions/*/classifier.json"):
        classifier = store.read_json("champion_decisions", record.parent.name, "classifier.json") or {}
        name = classifier.get("recipe", {}).get("encoder")
        while name:
            yield name
            name = (store.read_json("encoders", name, "encoder.json") or {}).get("parent")


def _teachers_of_champions(store: Store) -> Iterator[str]:
    """Yields the teachers of classifiers that were ever promoted; of an ensemble, its members, too."""
    for record in store.local.glob("champion_decisions/*/classifier.json"):
        classifier = store.read_json("champion_decisions", record.parent.name, "classifier.json") or {}
        teacher = (classifier.get("recipe", {}).get("distillation") or {}).get("teacher")
        if teacher:
            yield teacher
            yield from (store.read_json("ensembles", f"ensemble={teacher}", "ensemble.json") or {}).get("members", {})


def _former_deployments(store: Store) -> Iterator[tuple[Path, str]]:
    """Yields deployments other than the current and the previous one."""
    pointer = store.read_json(*POINTER)
    if pointer is None:
        return
    for path in (store.local / "deployment").iterdir():
        if path.is_dir() and path.name not in (pointer["folder"], pointer["former"]):
            yield path, "it is neither the current nor the previous deployment"


def _former_versions(root: Path, num_kept: int) -> Iterator[tuple[Path, str]]:
    """Yields versions of feeds beyond the newest `num_kept`, none of them registered or served."""
    for versions in feeds_with_versions(UPath(root)):
        for folder in versions.surplus(num_kept):
            yield Path(folder.path), f"it is older than the {num_kept} former versions that are kept of its feed"


def _has_ended(checkpoint: Path) -> bool:
    """Returns True if the training that wrote the checkpoint has saved its result since."""
    written = [path for path in checkpoint.parent.glob("*.json") if path.stat().st_mtime >= checkpoint.stat().st_mtime]
    return bool(written)


def _unfinished(root: Path) -> Iterator[Path]:
    for pattern in ("*.part", "*.writing"):
        yield from (path for path in root.glob(f"**/.{pattern}") if path.is_file())


def _modified_at(path: Path) -> float:
    """Returns the time (s) at which a file, or the newest entry of a folder, was last modified."""
    inner = [each.stat().st_mtime for each in path.rglob("*")] if path.is_dir() else []
    return max([path.stat().st_mtime, *inner])


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
