"""The project's file, `shelfsight.toml`: settings, recipes and plan of one catalog, as they are written.

store = "store"
timeout_s = 10

[encoders.photos]
extends = "imagenet-lite0-224"

[plan]
classifiers = ["imagenet-lite0-224-probe"]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.storage.toml_files import MAX_BYTES, TomlError, parse_toml

PROJECT_FILE = "shelfsight.toml"
RECIPE_TABLES = ("encoders", "classifiers", "students", "ensembles", "searches", "attributes")
PLAN = "plan"


class ProjectError(ValueError):
    """A project's file that cannot be used; the message names it, the key, the value and the way out."""


@dataclass(frozen=True, kw_only=True)
class ProjectFile:
    """The content of a project's file, not yet validated; without a file all of it is empty."""

    path: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        """The folder of the project."""
        return self.path.parent if self.path is not None else None

    @classmethod
    def read(cls, path: Path) -> "ProjectFile":
        """Reads a file.

        Raises:
            ProjectError: the file is missing, is not TOML, exceeds a limit of `parse_toml`, or has something else where
                it should have a table.
        """
        try:
            with path.open("rb") as file:
                content = parse_toml(file.read(MAX_BYTES + 1))
        except FileNotFoundError:
            raise ProjectError(f"there is no {path}; write one, or unset SHELFSIGHT_PROJECT") from None
        except (TomlError, UnicodeDecodeError) as error:
            raise ProjectError(f"{path} is not TOML: {error}{_way_out(str(error))}") from None
        tables = {name: content.pop(name) for name in (*RECIPE_TABLES, PLAN) if name in content}
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise ProjectError(f"{path} has {name} = {table!r}; write a table, [{name}]")
        return cls(path=path, settings=content, plan=tables.pop(PLAN, {}), recipes=tables)


def _way_out(error: str) -> str:
    """Returns what to do about a parser's error that has one usual cause."""
    repeated = re.match(r"Cannot declare \((.*)\) twice", error)
    if repeated:
        table = ".".join(part.strip(" '\"") for part in repeated[1].split(",") if part.strip())
        return f"; two tables are named [{table}], so rename one of them"
    return "; a key is set twice, so remove one of them" if error.startswith("Cannot overwrite a value") else ""


def find(start: Path) -> Path | None:
    """Returns the file of the project that a folder belongs to: its own, or that of the nearest folder above."""
    return next((place / PROJECT_FILE for place in (start, *start.parents) if (place / PROJECT_FILE).is_file()), None)
