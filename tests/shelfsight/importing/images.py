"""Folders and tar files of tiny images for the tests of imports."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.catalog.images.sample_images import jpeg


def write_images(folder: Path, *paths: str) -> None:
    """Writes an image at each path below the folder."""
    for seed, path in enumerate(paths):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(40, 30, seed=seed))


def write_tar(file: Path, members: Mapping[str, bytes] | list[tuple[str, bytes]]) -> None:
    """Writes a tar file of these members, in their order."""
    with tarfile.open(file, "w") as tar:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
