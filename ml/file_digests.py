"""Digests of files: what an artefact's facts say of the files beside them."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
