"""The people who may open the explorer, in the file of the setting `explorer_users`."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from resources.project_file import PROJECT_FILE
from resources.settings import Settings, variable_of
from shelfsight.explorer.access.users import Role, UserFileError, Users


def add(settings: Settings, name: str, role: str) -> dict[str, Any]:
    """Adds a user with a password that is read from the terminal or stdin, or replaces one."""
    users, known_role = _users(settings), Role.of(role)
    users.add(name, known_role, _password(name))
    return {"name": name, "role": known_role.name.lower(), "file": str(users.path)}


def remove(settings: Settings, name: str) -> dict[str, Any]:
    """Removes a user."""
    users = _users(settings)
    users.remove(name)
    return {"name": name, "removed": True, "file": str(users.path)}


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Returns the name and the role of every user."""
    return [{"name": name, "role": role.name.lower()} for name, role in _users(settings).names().items()]


def _users(settings: Settings) -> Users:
    if not settings.explorer_users:
        raise UserFileError(
            f"there is no user file; write explorer_users = 'users.json' into {PROJECT_FILE}, or set "
            f"{variable_of('explorer_users')}"
        )
    return Users(Path(settings.explorer_users).absolute())


def _password(name: str) -> str:
    if sys.stdin.isatty():
        password = getpass(f"Password of {name}: ")
        if getpass("Once more: ") != password:
            raise UserFileError("the two passwords differ; nothing was written")
        return password
    return sys.stdin.readline().rstrip("\n")
