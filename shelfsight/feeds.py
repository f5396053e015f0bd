"""Feeds: a file put into a partner's inbox, whole or not at all."""

import shutil
from pathlib import Path
from typing import Any

from catalog.files import place, replace_file
from catalog.partners import read_partner


def add(store: str, file: Path, partner: str | None) -> dict[str, Any]:
    """Copy a feed file into the inbox of a partner that the store's settings name; what was done.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the partner is unknown; the message lists the known ones.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no feed file {str(file)!r}")
    name = partner or file.absolute().parent.name
    read_partner(place(store) / "reference", name)
    arriving = place(store) / "inbox" / name / file.name
    replaced = arriving.exists()
    with file.open("rb") as told, replace_file(arriving) as written:
        shutil.copyfileobj(told, written)
    return {
        "partner": name,
        "feed": str(arriving),
        "replaces": "an earlier feed of this name" if replaced else None,
        "next": "feed_sensor takes it in while `make ui` runs; `shelfsight status` tells",
    }
