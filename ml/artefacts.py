"""Artefacts: a folder of `weights.safetensors` and one JSON of facts that carries the weights' SHA-256.

Both files are written beside their place, flushed and only then renamed, so a full disk leaves the old ones
standing, and a crash between the two renames leaves a pair that does not match, which reading refuses.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

WEIGHTS_FILE = "weights.safetensors"


def save_artefact(folder: Path, facts_file: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Write the weights and their facts; the fingerprint (SHA-256, hex, of the weights' file) is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    sha256 = hashlib.sha256(weights).hexdigest()
    text = json.dumps({**facts, "sha256": sha256}, indent=2, sort_keys=True) + "\n"
    files = {WEIGHTS_FILE: weights, facts_file: text.encode()}
    for name, content in files.items():
        write_flushed(_part(folder / name), content)
    for name in files:
        _part(folder / name).replace(folder / name)
    return sha256


def load_artefact(folder: Path, facts_file: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the facts of a folder.

    Raises:
        FileNotFoundError: the folder lacks one of its two files.
        ValueError: the weights are not those that the facts were written for.
    """
    for name in (facts_file, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; train it first, or give another folder")
    facts: dict[str, Any] = json.loads((folder / facts_file).read_text())
    weights = (folder / WEIGHTS_FILE).read_bytes()
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != facts["sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS_FILE} has the fingerprint {sha256[:12]}..., but {facts_file} was written for "
            f"{facts['sha256'][:12]}...; train it again"
        )
    return load(weights), facts


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file that has reached the disk when this returns; one that cannot is removed, its OSError names it."""
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a file on a full disk is in everybody's way
        raise OSError(error.errno, f"{error.strerror}; make room for {len(content):,} bytes", str(path)) from error


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
