"""Edits of a project that an import needs: an image root, partners and a taxonomy; comments of files stay."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from upath import UPath

from catalog.download.image_roots import Root, Roots
from catalog.products.partners import PARTNERS_FILE, read_partners
from catalog.storage.files import read_if_exists, replace_file
from catalog.storage.toml_files import TomlError, parse_toml
from resources.project_file import ProjectFile
from resources.settings import Settings


def root_of(folder: Path, places: Mapping[str, str], name: str) -> tuple[Root, str]:
    """Returns the image root of a folder and the folder's path below it, `inner/` or empty.

    It is a root that contains the folder already, by real path, or else a new one of this name.

    Raises:
        ImageRootError: the folder may not be a root.
        ValueError: the name is another root's.
    """
    real = os.path.realpath(folder)
    for root in Roots(places).roots:
        top = os.path.realpath(root.place) if root.is_local else ""
        if top and (real == top or real.startswith(f"{top}/")):
            return root, "" if real == top else f"{os.path.relpath(real, top)}/"
    if name in places:
        raise ValueError(f"image_roots has {name} = {places[name]!r}, another folder; name a new root with --root")
    return Roots({name: os.path.abspath(folder)}).roots[0], ""  # noqa: PTH100 links stay as they are


def add_root(root: Root, project: ProjectFile) -> str | None:
    """Adds a root to the project's file; returns what the user has to do where there is none, or where it is hidden."""
    if project.path is None or project.folder is None:
        return f"set SHELFSIGHT_IMAGE_ROOTS to a JSON object with {root.name!r}: {root.place!r}, as there is no project"
    place = Path(root.place)
    inner = place.relative_to(project.folder).as_posix() if place.is_relative_to(project.folder) else root.place

    def edit(content: Any) -> None:
        content.setdefault("image_roots", tomlkit.table())[root.name] = inner

    _edit(UPath(project.path), edit)
    if Settings.read().image_roots.get(root.name) is None:  # a variable counts before the file
        return f"add {root.name!r}: {root.place!r} to SHELFSIGHT_IMAGE_ROOTS, which hides the table of {project.path}"
    return None


def check_partners(reference: UPath, splits: Mapping[str, str]) -> list[str]:
    """Returns the partners that the settings lack; raises ValueError where one has another split than it needs."""
    known = {each.partner_id: each for each in read_partners(reference)} if _has_partners(reference) else {}
    for partner, split in splits.items():
        if partner in known and (known[partner].split != split or known[partner].golden):
            raise ValueError(
                f"{reference / PARTNERS_FILE}: [partners.{partner}] has split = {known[partner].split!r} and "
                f"golden = {known[partner].golden}, and its images need split = {split!r}; name another with --partner"
            )
    return [partner for partner in splits if partner not in known]


def add_partners(reference: UPath, partners: Mapping[str, str]) -> None:
    """Adds partners with their splits to the partners' settings."""

    def edit(content: Any) -> None:
        tables = content.setdefault("partners", tomlkit.table(is_super_table=True))
        for partner, split in partners.items():
            table = tomlkit.table()
            if split:
                table["split"] = split
            tables[partner] = table

    if partners:
        _edit(reference / PARTNERS_FILE, edit)


def _has_partners(reference: UPath) -> bool:
    return bool((reference / PARTNERS_FILE).exists())


def _edit(path: UPath, edit: Callable[[Any], None]) -> None:
    """Changes a TOML file in place, atomically; raises ValueError for one that is not TOML."""
    try:
        text = (read_if_exists(path) or b"").decode("utf-8-sig")
        parse_toml(text)  # has limits, which the other parser has not
        content = tomlkit.parse(text)
    except (TOMLKitError, TomlError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}; correct it there") from error
    edit(content)
    with replace_file(path) as file:
        file.write(tomlkit.dumps(content).encode())
