"""Unforeseen errors: logs an error that ended one link and that no rule of the download expects.

Such a link ends as `internal_error` and is fetched again by the next download. Its cause is a fault of this program or
of a library, so it is logged with its place in the code, the first time that it comes from there.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

MAX_FRAMES = 5
MAX_LENGTH = 300  # characters of a link or a message

_log = logging.getLogger(__name__)
_logged: set[str] = set()  # at most one entry for each place in the code


def log_unforeseen(doing: str, subject: object, error: Exception) -> None:
    """Logs that doing something to a subject raised an error, once for each type and place of errors.

    Everything that others wrote is logged in ASCII: a header in an error's message may control a terminal.
    """
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    place = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    kind = f"{type(error).__name__} at {place}"
    if kind not in _logged:
        _logged.add(kind)
        what, message = ascii(subject)[:MAX_LENGTH], ascii(error)[:MAX_LENGTH]
        _log.error("%s %s ended in internal_error: %s in %s; please report this", doing, what, message, place)
