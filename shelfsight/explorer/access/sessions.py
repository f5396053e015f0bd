"""Sessions: a signed cookie that names a user, until it expires, the user is removed or the password is changed."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COOKIE = "shelfsight_session"
LIFETIME_S = 12 * 3_600
KEY_BYTES = 32


@dataclass(frozen=True)
class Session:
    """The content of a session's cookie."""

    name: str
    fingerprint: str  # of the password, or of the token
    expires_at: float


class Sessions:
    """Signs and verifies cookies with a key."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now

    @classmethod
    def of_file(cls, path: Path) -> "Sessions":
        """Returns the sessions of a key file, which is made once; a restart ends no session."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            try:
                os.link(part, path)  # of two processes the first one wins
            except FileExistsError:
                pass
            finally:
                part.unlink()
        return cls(path.read_bytes())

    def cookie(self, name: str, fingerprint: str) -> str:
        """Returns the cookie's value for a user."""
        content = json.dumps([name, fingerprint, self._now() + LIFETIME_S]).encode()
        return f"{_text(content)}.{self.signature('session', content)}"

    def session(self, cookie: str) -> Session | None:
        """Returns the session of a cookie; None where it was not signed here, or has expired."""
        encoded, _, signature = cookie.partition(".")
        try:
            content = base64.urlsafe_b64decode(encoded.encode())
        except ValueError:
            return None
        if not hmac.compare_digest(self.signature("session", content).encode(), signature.encode()):
            return None
        session = Session(*json.loads(content))
        return session if session.expires_at > self._now() else None

    def signature(self, purpose: str, content: bytes) -> str:
        """Returns the signature of a content for one purpose."""
        return _text(hmac.new(self._key, purpose.encode() + b"\0" + content, hashlib.sha256).digest())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
