"""Downloader: fetches a link, decodes its image and returns the result; storing it is the caller's part."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple

from catalog.download.fetched import Fetched, Validators
from catalog.download.fetching import Fetcher
from catalog.download.settings import FetchSettings
from catalog.download.unforeseen import log_unforeseen
from catalog.images.decoders import Decoders
from catalog.images.outcomes import Outcome
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from catalog.storage.cores import num_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadResult:
    """The result of one link: what was fetched, without its bytes, and the image if there is one.

    OK without an image: the image is still the version that the caller has.
    """

    status: Status
    fetched: Fetched
    image: StoredImage | None
    fetched_at: datetime

    def outcome(self, product_id: str, url: str | None, shard: str) -> Outcome:
        """Returns the row of the outcomes table for a product that shows the image behind this link."""
        image = self.image
        return Outcome(
            product_id=product_id,
            image_url=url,
            status=self.status,
            http_status=self.fetched.http_status,
            final_url=self.fetched.final_url,
            attempts=self.fetched.attempts,
            bytes=len(image.data) if image else None,
            width=image.width if image else None,
            height=image.height if image else None,
            sha256=image.sha256 if image else None,
            dhash=image.dhash if image else None,
            short_side_limit_px=image.short_side_limit_px if image else None,
            shard=shard if image else None,
            etag=self.fetched.validators.etag,
            last_modified=self.fetched.validators.last_modified,
            duration_ms=self.fetched.duration_ms,
            fetched_at=self.fetched_at,
        )


class LinkResult(NamedTuple):
    """The result of a link of one shard."""

    shard: int  # the index of the shard in its delivery
    url: str | None
    result: DownloadResult


def timed_out() -> DownloadResult:
    """Returns the result of a link that was not finished within its shard's time limit."""
    return _ended(Status.TIMEOUT)


def internal_error() -> DownloadResult:
    """Returns the result of a link whose fetching, recording or conclusion raised an error that nobody foresaw."""
    return _ended(Status.INTERNAL_ERROR)


def _ended(status: Status) -> DownloadResult:
    return DownloadResult(status=status, fetched=Fetched(status=status), image=None, fetched_at=datetime.now(UTC))


class Downloader:
    """A client and the processes that decode what it fetches; use as an async context manager.

    While `room` is cleared no new request starts: back pressure for a caller that cannot take more images.
    """

    def __init__(self, settings: FetchSettings, room: asyncio.Event) -> None:
        self._settings = settings
        self._room = room

    async def __aenter__(self) -> Downloader:
        settings = self._settings
        decoders = Decoders(settings, settings.num_decoders or num_cores(), settings.decode_timeout_s)
        self._stack = AsyncExitStack()
        self._stack.callback(decoders.close)
        self._decoders = decoders
        self._fetcher = await self._stack.enter_async_context(Fetcher(settings, gates=(decoders.ready, self._room)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def download(self, url: str | None, rank: int = 0, known: Validators | None = None) -> DownloadResult:
        """Fetches and decodes one link; with `known`, only if the image is no longer that version.

        Raises:
            OSError: no decoding process can be started, so that every other link would end like this one.
        """
        fetched = await self._fetcher.fetch(url, rank, known) if url else Fetched(status=Status.INVALID_URL)
        status, image = fetched.status, None
        if fetched.data is not None:
            decoded = await self._decoded(url, fetched.data)
            if isinstance(decoded, StoredImage):
                image = decoded
            else:
                status = decoded
        return DownloadResult(status=status, fetched=fetched.without_data(), image=image, fetched_at=datetime.now(UTC))

    async def _decoded(self, url: str | None, data: bytes) -> StoredImage | Status:
        try:
            return await self._decoders.decode(data)
        except OSError:
            raise
        except Exception as error:
            log_unforeseen("decoding", url, error)
            return Status.INTERNAL_ERROR
