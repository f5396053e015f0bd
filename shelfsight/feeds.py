"""Feeds: a file put into a partner's inbox, whole or not at all."""

import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

from upath import UPath

from catalog.partners import read_partner


def add(store: Path, file: Path, partner: str | None) -> dict[str, Any]:
    """Copy a feed file into the inbox of a partner that the store's settings name; what was done.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the partner is unknown; the message lists the known ones.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no feed file {str(file)!r}")
    name = partner or file.absolute().parent.name
    read_partner(UPath(store / "reference"), name)
    place = store / "inbox" / name / file.name
    place.parent.mkdir(parents=True, exist_ok=True)
    replaced = place.exists()
    unfinished = place.with_name(f".{uuid4().hex}.part")  # hidden files are still being written
    try:
        shutil.copyfile(file, unfinished)
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    return {
        "partner": name,
        "feed": str(place),
        "replaces": "an earlier feed of this name" if replaced else None,
        "next": "feed_sensor takes it in while `make ui` runs; `shelfsight status` tells",
    }
