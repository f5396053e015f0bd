"""`shelfsight feed add`: copies a feed file into a partner's inbox, atomically."""

import shutil
from pathlib import Path
from typing import Any

from catalog.products.partners import read_partner
from catalog.storage.files import is_remote, replace_file, store_path
from resources.places import inbox_root, reference_root
from resources.settings import Settings


def add(settings: Settings, file: Path, partner: str | None) -> dict[str, Any]:
    """Copies a feed file into the inbox of a known partner and returns a record of it.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the partner is unknown, and the message lists the known ones; or its folder is a link.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no feed file {str(file)!r}")
    name = partner or file.absolute().parent.name
    read_partner(store_path(reference_root(settings)), name)
    target = store_path(inbox_root(settings)) / name / file.name
    if not is_remote(target) and Path(target.parent.path).is_symlink():
        raise ValueError(f"{str(target.parent)!r} is a symbolic link, which the inbox refuses; replace it by a folder")
    replaced = target.exists()
    with file.open("rb") as source, replace_file(target) as copy:
        shutil.copyfileobj(source, copy)
    return {
        "partner": name,
        "feed": str(target),
        "replaces": "an earlier feed of this name" if replaced else None,
        "next": "feed_sensor registers it while `shelfsight up` runs; `shelfsight status` shows the progress",
    }
