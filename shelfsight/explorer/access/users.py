"""Users: names, roles and scrypt hashes of passwords, in one file that only its owner can read."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from upath import UPath

from catalog.storage.files import replace_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
MIN_PASSWORD = 8  # characters
MAX_PASSWORD = 1_024
_COST = {"n": 2**14, "r": 8, "p": 1}  # 16 MiB and some 50 ms (RFC 7914)


class UserFileError(ValueError):
    """A user file, a name or a password that cannot be used; the message names it and the way out."""


class Role(IntEnum):
    """A role; each may do what those before it may."""

    READER = 1
    REVIEWER = 2
    ADMIN = 3

    @classmethod
    def of(cls, word: str) -> "Role":
        """Returns the role of that name; raises UserFileError with the known ones."""
        try:
            return cls[word.upper()]
        except KeyError:
            roles = ", ".join(each.name.lower() for each in cls)
            raise UserFileError(f"unknown role {word!r}; the roles are {roles}") from None


@dataclass(frozen=True)
class User:
    """A person, or a program, that makes a request."""

    name: str
    role: Role


@dataclass(frozen=True)
class _Record:
    role: Role
    salt: bytes
    hash: bytes

    @property
    def fingerprint(self) -> str:
        """A text that changes with the password."""
        return hashlib.sha256(self.salt + self.hash).hexdigest()[:16]


class Users:
    """The users of a file, which is read again when it changes; without a path there are none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._hashing = threading.Lock()  # one hash at a time: attempts to log in cannot take all memory
        self._stamp: tuple[int, int] | None = None
        self._records: Mapping[str, _Record] = {}

    def names(self) -> dict[str, Role]:
        """The role of every user."""
        return {name: record.role for name, record in sorted(self._read().items())}

    def find(self, name: str) -> tuple[User, str] | None:
        """Returns a user and the fingerprint of the password, or None."""
        record = self._read().get(name)
        return None if record is None else (User(name, record.role), record.fingerprint)

    def verify(self, name: str, password: str) -> User | None:
        """Returns the user of that name if the password is right; takes as long for an unknown name."""
        record = self._read().get(name) or _Record(Role.READER, b"-" * 16, b"")
        if len(password) > MAX_PASSWORD:
            return None
        with self._hashing:
            is_right = hmac.compare_digest(_hash(password, record.salt), record.hash)
        return User(name, record.role) if is_right else None

    def add(self, name: str, role: Role, password: str) -> None:
        """Writes a user, or replaces one of the same name."""
        if not NAME.fullmatch(name):
            raise UserFileError(f"{name!r} is no name of a user; use letters, digits and . _ @ -, at most 64")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise UserFileError(
                f"the password has {len(password)} characters; {MIN_PASSWORD} to {MAX_PASSWORD} are allowed"
            )
        salt = secrets.token_bytes(16)
        self._write({**self._read(), name: _Record(role, salt, _hash(password, salt))})

    def remove(self, name: str) -> None:
        """Removes a user, whose sessions end at once."""
        records = dict(self._read())
        if name not in records:
            raise UserFileError(f"unknown user {name!r}; {self.path} has {', '.join(sorted(records)) or 'none'}")
        del records[name]
        self._write(records)

    def _read(self) -> Mapping[str, _Record]:
        if self.path is None:
            return {}
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                return {}
            stamp = found.st_mtime_ns, found.st_ino
            if stamp != self._stamp:
                self._records, self._stamp = _parsed(self.path), stamp
            return self._records

    def _write(self, records: Mapping[str, _Record]) -> None:
        if self.path is None:
            raise UserFileError("there is no user file; set explorer_users, such as explorer_users = 'users.json'")
        content = {
            name: {
                "role": record.role.name.lower(),
                "salt": base64.b64encode(record.salt).decode(),
                "scrypt": base64.b64encode(record.hash).decode(),
            }
            for name, record in sorted(records.items())
        }
        with replace_file(UPath(self.path)) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps({"users": content}, indent=2).encode())
        with self._lock:
            self._stamp = None


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)


def _parsed(path: Path) -> Mapping[str, _Record]:
    try:
        content = json.loads(path.read_text())["users"]
        return {
            name: _Record(
                Role.of(each["role"]), base64.b64decode(each["salt"]), base64.b64decode(each["scrypt"], validate=True)
            )
            for name, each in content.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserFileError(f"{path} is no file of users ({error}); write it by `shelfsight explore-users`") from error
