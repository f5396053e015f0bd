"""A stand-in for the export of a classifier, for tests of what happens around it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml.deployment.deployment import METADATA_FILE, current_folder, read_metadata


def exported_by_copy(root: Path) -> Callable[..., Mapping[str, Any]]:
    """Returns a replacement of `deploy` that copies the files of a store's deployment: an export takes 20 seconds.

    They come one by one and the metadata last, as they do in an export.
    """

    def deploy(_classifier: object, folder: Path, *_rest: object) -> Mapping[str, Any]:
        folder.mkdir(parents=True)
        for file in sorted(current_folder(root).iterdir(), key=lambda file: file.name == METADATA_FILE):
            shutil.copy(file, folder)
        return read_metadata(folder)

    return deploy
