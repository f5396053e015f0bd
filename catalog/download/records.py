"""Records: the result of a link as text, beside the bytes of its image, for journals and for a cluster's tasks."""

from __future__ import annotations

import json
from datetime import datetime

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Fetched, Validators
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage


def record_of(url: str | None, result: DownloadResult) -> str:
    """Returns everything but the image's bytes, as JSON in ASCII."""
    fetched, image = result.fetched, result.image
    return json.dumps(
        {
            "url": url,
            "status": result.status,
            "http_status": fetched.http_status,
            "final_url": fetched.final_url,
            "attempts": fetched.attempts,
            "duration_ms": fetched.duration_ms,
            "etag": fetched.validators.etag,
            "last_modified": fetched.validators.last_modified,
            "fetched_at": result.fetched_at.isoformat(),
            "image": _described(image) if image else None,
        }
    )


def _described(image: StoredImage) -> tuple[int, int, str, int, int]:
    return image.width, image.height, image.sha256, image.dhash, image.short_side_limit_px


def result_of(record: str | bytes, data: bytes) -> tuple[str | None, DownloadResult]:
    """Returns the link and its result from a record and the image's bytes (empty without an image)."""
    values = json.loads(record)
    status, image = Status(values["status"]), values["image"]
    fetched = Fetched(
        status=status,
        http_status=values["http_status"],
        final_url=values["final_url"],
        attempts=values["attempts"],
        duration_ms=values["duration_ms"],
        validators=Validators(values["etag"], values["last_modified"]),
    )
    fetched_at = datetime.fromisoformat(values["fetched_at"])
    stored = StoredImage(data, *image) if image else None
    return values["url"], DownloadResult(status=status, fetched=fetched, image=stored, fetched_at=fetched_at)
