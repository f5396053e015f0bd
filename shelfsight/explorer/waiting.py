"""Waiting: what waits in the store and why, as `shelfsight status` finds it, asked for at most once a minute."""

import threading
import time
from typing import Any

from shelfsight.explorer.errors import ExplorerError

KEPT_S = 60.0


class StatusNotReadableError(ExplorerError):
    """The status of the store cannot be read now; the message says why."""

    code = "status_not_readable"


class StoreStatus:
    """The status of a store, kept for a minute."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._read_at = -float("inf")
        self._status: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """Returns what `shelfsight status` prints.

        Raises:
            StatusNotReadableError: the store or the records of Dagster cannot be read.
        """
        from shelfsight.cli.status import status

        with self._lock:
            if time.monotonic() - self._read_at > KEPT_S:
                try:
                    self._status = status(self._root)
                except (OSError, ValueError, LookupError) as error:
                    raise StatusNotReadableError(f"the status of the store cannot be read: {error}") from error
                self._read_at = time.monotonic()
            return self._status
