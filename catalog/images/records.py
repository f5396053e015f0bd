"""Records: how it ended with a link as text, beside the picture's bytes; what journals keep and engines pass on."""

from __future__ import annotations

import json
from datetime import datetime

from catalog.images.downloading import Ending
from catalog.images.fetched import Fetched, Validators
from catalog.images.picture import Picture
from catalog.images.statuses import Status


def record_of(url: str | None, ending: Ending) -> str:
    """All but the picture's bytes, as JSON in ASCII."""
    fetched, picture = ending.fetched, ending.picture
    return json.dumps(
        {
            "url": url,
            "status": ending.status,
            "http_status": fetched.http_status,
            "final_url": fetched.final_url,
            "attempts": fetched.attempts,
            "duration_ms": fetched.duration_ms,
            "etag": fetched.validators.etag,
            "last_modified": fetched.validators.last_modified,
            "fetched_at": ending.fetched_at.isoformat(),
            "picture": (picture.width, picture.height, picture.sha256, picture.dhash) if picture else None,
        }
    )


def ending_of(record: str | bytes, data: bytes) -> tuple[str | None, Ending]:
    """The link and how it ended, of a record and the picture's bytes (none without a picture)."""
    told = json.loads(record)
    status, picture = Status(told["status"]), told["picture"]
    fetched = Fetched(
        status=status,
        http_status=told["http_status"],
        final_url=told["final_url"],
        attempts=told["attempts"],
        duration_ms=told["duration_ms"],
        validators=Validators(told["etag"], told["last_modified"]),
    )
    fetched_at = datetime.fromisoformat(told["fetched_at"])
    kept = Picture(data, *picture) if picture else None
    return told["url"], Ending(status=status, fetched=fetched, picture=kept, fetched_at=fetched_at)
