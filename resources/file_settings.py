"""Settings of a project's file: read by the fields that they set, and every mistake named with its key.

Fields that start with the name of a table (`TABLES`) are its keys: `images_quality` is `quality` in `[images]`.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from catalog.escaping.secrets import HIDDEN, is_secret_name, redact
from resources.project_file import ProjectFile

TABLES = ("images", "gate")  # of the project's file, with settings
# Relative to the project's folder.
PATHS = ("store", "inbox", "reference", "scratch", "spark_environment", "dagster_home", "demo_data")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the variable, its value and the way out."""


def written_settings(project: ProjectFile, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Returns the settings of a project's file by the name of their fields, with absolute paths.

    Raises:
        SettingsError: a key is unknown, or a value has another type than its field.
    """
    assert project.folder is not None  # noqa: S101 for the type checker
    written: dict[str, Any] = {"store": str(project.folder / "store")}
    problems = []
    names = {key_of(name): name for name in fields}
    for key, value in _by_key(project):
        name = names.get(key)
        if name is None:
            near = near_names(key, names)
            hint = f"did you mean {' or '.join(near)}?" if near else "remove it"
            problems.append(f"{project.path} has the unknown key {key!r}; {hint}")
            continue
        try:
            field = fields[name]
            annotation: Any = field.annotation
            typed: TypeAdapter[Any] = TypeAdapter(annotation)
            typed.validate_json(json.dumps(value, default=str), strict=True)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            problems.append(f"{project.path} has {key} = {_shown(key, value)}: {message[0].lower()}{message[1:]}")
        is_place = name in PATHS and isinstance(value, str) and value and "://" not in value
        written[name] = str(project.folder / Path(value).expanduser()) if is_place else value
        if name == "image_roots" and isinstance(value, dict):
            written[name] = {root: _placed(project.folder, place) for root, place in value.items()}
    if problems:
        raise SettingsError("; ".join(problems))
    return written


def _by_key(project: ProjectFile) -> Iterator[tuple[str, Any]]:
    """Yields the settings of a project's file; those of a table have its name before theirs."""
    for key, value in project.settings.items():
        if key not in TABLES:
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}.{each}", setting) for each, setting in value.items())
        else:
            raise SettingsError(f"{project.path} has {key} = {_shown(key, value)}; write a table, [{key}]")


def _shown(key: str, value: Any) -> str:
    """Returns a value as an error shows it, without a secret."""
    return HIDDEN if is_secret_name(key) else redact(repr(value))


def _placed(folder: Path, place: Any) -> Any:
    """Returns the place of an image root, a relative folder as one of the project's."""
    return str(folder / Path(place).expanduser()) if isinstance(place, str) and place and "://" not in place else place


def key_of(field: str) -> str:
    """The key of a field in the project's file, such as `store` or `images.quality`."""
    table = next((table for table in TABLES if field.startswith(f"{table}_")), None)
    return field if table is None else f"{table}.{field.removeprefix(f'{table}_')}"


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Returns at most three known names that a misspelled one may mean."""
    return difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
