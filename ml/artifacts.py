"""Artifacts: a folder with `weights.safetensors` and one JSON file of metadata that records the weights' SHA-256.

Each file is written to a temporary name, flushed and then renamed, so a full disk leaves the previous files in place. A
crash between the two renames leaves a pair that does not match, and `load_artifact` refuses it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a server that only reads an index does without PyTorch
    from torch import Tensor

WEIGHTS_FILE = "weights.safetensors"


def save_artifact(folder: Path, metadata_file: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Saves weights and their metadata in a folder.

    Args:
        folder: Is created if it does not exist.
        metadata_file: File name of the metadata, such as `encoder.json`.
        tensors: The weights by name, on any device.
        metadata: JSON-serializable values; the key `sha256` is added.

    Returns:
        The SHA-256 (hex) of the weights file, which serves as the artifact's fingerprint.

    Raises:
        OSError: The disk is full or not writable; files saved earlier remain unchanged.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    sha256 = hashlib.sha256(weights).hexdigest()
    text = json.dumps({**metadata, "sha256": sha256}, indent=2, sort_keys=True) + "\n"
    files = {WEIGHTS_FILE: weights, metadata_file: text.encode()}
    for name, content in files.items():
        write_flushed(_part(folder / name), content)
    for name in files:
        _part(folder / name).replace(folder / name)
    return sha256


def load_artifact(folder: Path, metadata_file: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Loads the weights (on the CPU) and the metadata that `save_artifact` saved.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: The SHA-256 of the weights is not the recorded one.
    """
    from safetensors.torch import load

    for name in (metadata_file, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}; train it first, or choose another folder")
    metadata: dict[str, Any] = json.loads((folder / metadata_file).read_text())
    weights = (folder / WEIGHTS_FILE).read_bytes()
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != metadata["sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS_FILE} has the fingerprint {sha256[:12]}..., but {metadata_file} was written for "
            f"{metadata['sha256'][:12]}...; train it again"
        )
    return load(weights), metadata


def write_flushed(path: Path, content: bytes) -> None:
    """Writes a file and flushes it to disk; on failure removes the partial file and raises OSError with its path."""
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # a partial file would only occupy the full disk
        raise OSError(error.errno, f"{error.strerror}; make room for {len(content):,} bytes", str(path)) from error


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
