"""Downloading: a link in, its end out, fetched and decoded; where that is kept is for the caller to say."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from catalog.images.decoders import Decoders
from catalog.images.fetch_settings import FetchSettings
from catalog.images.fetched import Fetched, Validators
from catalog.images.fetching import Fetcher
from catalog.images.outcomes import Outcome
from catalog.images.picture import Picture
from catalog.images.statuses import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How it ended with one link: what fetching gave, less its bytes, and the picture where there is one.

    Ok without a picture: it is still the version that was held.
    """

    status: Status
    fetched: Fetched
    picture: Picture | None
    fetched_at: datetime

    def outcome(self, product_id: str, url: str | None, shard: str) -> Outcome:
        """The row of the outcomes table for a product that shows the picture behind this link."""
        picture = self.picture
        return Outcome(
            product_id=product_id,
            image_url=url,
            status=self.status,
            http_status=self.fetched.http_status,
            final_url=self.fetched.final_url,
            attempts=self.fetched.attempts,
            bytes=len(picture.data) if picture else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            sha256=picture.sha256 if picture else None,
            dhash=picture.dhash if picture else None,
            shard=shard if picture else None,
            etag=self.fetched.validators.etag,
            last_modified=self.fetched.validators.last_modified,
            duration_ms=self.fetched.duration_ms,
            fetched_at=self.fetched_at,
        )


def timed_out() -> Ending:
    """The end of a link for which its shard's time did not suffice."""
    return Ending(
        status=Status.TIMEOUT, fetched=Fetched(status=Status.TIMEOUT), picture=None, fetched_at=datetime.now(UTC)
    )


class Downloader:
    """A client and the processes that decode what it brings; use as an async context manager.

    While `room` is cleared no new request starts: back pressure for a caller that cannot take more pictures.
    """

    def __init__(self, settings: FetchSettings, room: asyncio.Event | None = None) -> None:
        self._settings = settings
        self._room = room

    async def __aenter__(self) -> Downloader:
        settings = self._settings
        decoders = Decoders(settings, settings.num_decoders or num_cores(), settings.decode_timeout_s)
        self._stack = AsyncExitStack()
        self._stack.callback(decoders.close)
        self._decoders = decoders
        ready = decoders.ready if self._room is None else _Both(decoders.ready, self._room)
        self._fetcher = await self._stack.enter_async_context(Fetcher(settings, ready=ready))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def end(self, url: str | None, rank: int = 0, known: Validators | None = None) -> Ending:
        """How it ends with one link; with `known`, whether the picture is still that version."""
        fetched = await self._fetcher.fetch(url, rank, known) if url else Fetched(status=Status.INVALID_URL)
        status, picture = fetched.status, None
        if fetched.data is not None:
            decoded = await self._decoders.decode(fetched.data)
            if isinstance(decoded, Picture):
                picture = decoded
            else:
                status = decoded
        return Ending(status=status, fetched=fetched.without_data(), picture=picture, fetched_at=datetime.now(UTC))


class _Both:
    """Two events as one."""

    def __init__(self, one: asyncio.Event, other: asyncio.Event) -> None:
        self._events = (one, other)

    async def wait(self) -> None:
        """Waits until both are set at once."""
        while not all(event.is_set() for event in self._events):
            for event in self._events:
                await event.wait()


def num_cores() -> int:
    """The cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
