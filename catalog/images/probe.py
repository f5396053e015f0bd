"""The probe: a sample of links fetched and decoded as a download would, of which nothing is stored but the facts."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from catalog.images.decoding import decode
from catalog.images.fetching import Fetched, Fetcher, FetchSettings
from catalog.images.statuses import Status

PROBE_SCHEMA = pl.Schema(
    {
        "delivery": pl.String(),
        "product_id": pl.String(),
        "partner_id": pl.String(),
        "image_url": pl.String(),
        "host": pl.String(),
        "stratum": pl.String(),
        "stratum_size": pl.Int64(),
        "weight": pl.Float64(),  # links that this one stands for
        "status": pl.String(),
        "http_status": pl.Int32(),
        "attempts": pl.Int32(),
        "bytes_fetched": pl.Int64(),  # of the body; 0 where none was kept
        "bytes_stored": pl.Int64(),  # of the picture as a download would store it; 0 without one
        "duration_ms": pl.Float64(),  # on the wire
        "decode_ms": pl.Float64(),  # of one core
        "probed_at": pl.Datetime("us", "UTC"),
    }
)
PROGRESS_INTERVAL_S = 5.0


@dataclass(frozen=True)
class Probed:
    """What a probe found: a row of PROBE_SCHEMA a link, and what the HTTP client's thread took of one core a link."""

    rows: pl.DataFrame
    client_ms: float


@dataclass(frozen=True, slots=True)
class _Decoded:
    status: Status
    bytes_stored: int
    decode_ms: float


def probe(
    sample: pl.DataFrame,
    settings: FetchSettings,
    *,
    num_cores: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Probed:
    """Ask for every link of the sample, as politely as a download; dead links and bad pictures are rows."""
    return asyncio.run(_probe(sample, settings, num_cores, on_progress or (lambda _done, _total: None)))


async def _probe(
    sample: pl.DataFrame, settings: FetchSettings, num_cores: int, on_progress: Callable[[int, int], None]
) -> Probed:
    # A host's turn first, then a place in memory: who waits for a slow host keeps no place from the others.
    turns: defaultdict[str | None, asyncio.Semaphore] = defaultdict(
        lambda: asyncio.Semaphore(settings.politeness.max_connections)
    )
    places = asyncio.Semaphore(2 * settings.max_connections)
    loop = asyncio.get_running_loop()
    ends: list[tuple[Any, ...]] = []
    next_report = time.monotonic() + PROGRESS_INTERVAL_S

    async def ask(url: str | None, host: str | None, fetcher: Fetcher, decoders: ThreadPoolExecutor) -> tuple[Any, ...]:
        nonlocal next_report
        async with turns[host], places:
            fetched = await fetcher.fetch(url) if url else Fetched(status=Status.INVALID_URL)
            decoded = _Decoded(fetched.status, 0, 0.0)
            if fetched.data is not None:
                decoded = await loop.run_in_executor(decoders, _decode, fetched.data, settings)
        end = _facts(fetched, decoded)
        ends.append(end)
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + PROGRESS_INTERVAL_S
            on_progress(len(ends), sample.height)
        return end

    started = time.thread_time()
    with ThreadPoolExecutor(num_cores, thread_name_prefix="probing") as decoders:
        async with Fetcher(settings) as fetcher, asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(ask(url, host, fetcher, decoders))
                for url, host in sample.select("image_url", "host").iter_rows()
            ]
    client_ms = (time.thread_time() - started) * 1000 / max(1, sample.height)
    on_progress(len(ends), sample.height)
    found = pl.DataFrame([task.result() for task in asked], schema=_FACTS, orient="row")
    return Probed(pl.concat([sample, found], how="horizontal").select(PROBE_SCHEMA.names()), client_ms)


_FACTS = {name: dtype for name, dtype in PROBE_SCHEMA.items() if name in list(PROBE_SCHEMA)[8:]}


def _facts(fetched: Fetched, decoded: _Decoded) -> tuple[Any, ...]:
    return (
        decoded.status,
        fetched.http_status,
        fetched.attempts,
        len(fetched.data or b""),
        decoded.bytes_stored,
        fetched.duration_ms,
        decoded.decode_ms,
        datetime.now(UTC),
    )


def _decode(data: bytes, settings: FetchSettings) -> _Decoded:
    """In a thread of its own, whose processor time is the picture's, whatever else the machine does."""
    started = time.thread_time()
    decoded = decode(data, settings)
    decode_ms = (time.thread_time() - started) * 1000
    if isinstance(decoded, Status):
        return _Decoded(decoded, 0, decode_ms)
    return _Decoded(Status.OK, len(decoded.data), decode_ms)
