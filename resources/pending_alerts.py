"""PendingAlerts: alerts as files, one each, until somebody has taken them; retried with backoff."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from upath import UPath

from catalog.storage.files import replace_file

FIRST_BACKOFF, MAX_BACKOFF = timedelta(seconds=30), timedelta(hours=1)
MAX_POSTS = 20  # of one turn


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A message, and how often it has been tried."""

    id: str
    text: str
    details: Mapping[str, str] = field(default_factory=dict)
    created_at: str = ""
    num_attempts: int = 0
    next_attempt_at: str = ""  # empty: now

    def message(self) -> dict[str, str]:
        """Returns the fields that are posted; who gets an alert twice knows it by `id`."""
        return {"text": self.text, "id": self.id, **self.details}

    def is_due(self, now: datetime) -> bool:
        """True if it is time for the next attempt, or if the clock has gone back since the last one."""
        if not self.next_attempt_at:
            return True
        wait = datetime.fromisoformat(self.next_attempt_at) - now
        return wait <= timedelta(0) or wait > MAX_BACKOFF

    def failed(self, now: datetime) -> "Alert":
        """Returns the alert after an attempt that failed: the next one is twice as far away, at most an hour."""
        backoff = min(FIRST_BACKOFF * 2 ** min(self.num_attempts, 20), MAX_BACKOFF)
        return replace(self, num_attempts=self.num_attempts + 1, next_attempt_at=(now + backoff).isoformat())


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The outcome of one turn: the alerts that were taken, those that wait, and why the turn ended early."""

    num_sent: int
    num_waiting: int
    problem: str = ""


@dataclass(frozen=True)
class PendingAlerts:
    """A folder of alerts; files appear and change whole, so a killed process leaves no part of one."""

    folder: UPath

    def add(self, alert: Alert) -> None:
        """Keeps an alert, unless one of its id is kept already.

        Raises:
            StoreNotWritableError: the folder cannot be written.
        """
        if not self._path(alert).exists():
            self._write(replace(alert, created_at=alert.created_at or datetime.now(UTC).isoformat()))

    def waiting(self) -> list[Alert]:
        """Returns the alerts that nobody has taken, the oldest first; a file that is no alert is put aside."""
        found = []
        for path in sorted(self.folder.glob("*.json"), key=str) if self.folder.exists() else []:
            try:
                found.append(Alert(**_fields(json.loads(path.read_text()))))
            except FileNotFoundError:  # taken by another process just now
                continue
            except (ValueError, TypeError):
                with suppress(OSError):
                    path.rename(path.with_suffix(".unreadable"))
        return sorted(found, key=lambda alert: (alert.created_at, alert.id))

    def deliver(self, post: Callable[[Alert], None], now: datetime) -> Sent:
        """Hands the alerts that are due to `post`, and removes those that it takes.

        An OSError of `post` ends the turn: what is behind the webhook is most likely down for all of them. The alert
        that failed waits longer each time and holds up no other one.
        """
        waiting, num_sent = self.waiting(), 0
        for alert in [each for each in waiting if each.is_due(now)][:MAX_POSTS]:
            try:
                post(alert)
            except OSError as error:
                self._write(alert.failed(now))
                return Sent(num_sent=num_sent, num_waiting=len(waiting) - num_sent, problem=str(error))
            self._path(alert).unlink(missing_ok=True)
            num_sent += 1
        return Sent(num_sent=num_sent, num_waiting=len(waiting) - num_sent)

    def _path(self, alert: Alert) -> UPath:
        return self.folder / f"{alert.id}.json"

    def _write(self, alert: Alert) -> None:
        with replace_file(self._path(alert)) as file:
            file.write(json.dumps(asdict(alert)).encode())


def _fields(document: Any) -> dict[str, Any]:
    """Returns the fields of an alert's file; ValueError where it has others, or of other types."""
    kinds = {"id": str, "text": str, "details": dict, "created_at": str, "num_attempts": int, "next_attempt_at": str}
    if not isinstance(document, dict) or any(not isinstance(document.get(name), kind) for name, kind in kinds.items()):
        raise ValueError("the file is no alert")
    if document["next_attempt_at"]:
        datetime.fromisoformat(document["next_attempt_at"])
    return {name: document[name] for name in kinds}
