"""Probe: fetches and decodes a sample of links as a download would, and stores no image but their sizes and times."""

from __future__ import annotations

import asyncio
import io
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from PIL import Image

from catalog.download.fetched import Fetched
from catalog.download.fetching import Fetcher
from catalog.download.settings import FetchSettings
from catalog.images.decoders import Decoders
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage

_SAMPLED = pl.Schema(  # as `sampling.draw` returns it
    {
        "delivery": pl.String(),
        "product_id": pl.String(),
        "partner_id": pl.String(),
        "image_url": pl.String(),
        "host": pl.String(),
        "shop": pl.String(),
        "stratum": pl.String(),
        "stratum_size": pl.Int64(),
        "weight": pl.Float64(),  # the number of links that this one represents
    }
)
_MEASURED = pl.Schema(
    {
        "status": pl.String(),
        "http_status": pl.Int32(),
        "attempts": pl.Int32(),
        "bytes_fetched": pl.Int64(),  # of the body; 0 without one
        "bytes_stored": pl.Int64(),  # of the image as a download would store it; 0 without one
        "duration_ms": pl.Float64(),  # on the wire
        "probed_at": pl.Datetime("us", "UTC"),
    }
)
PROBE_SCHEMA = pl.Schema({**_SAMPLED, **_MEASURED})
PROGRESS_LINKS = 1_000
PACED_SHARE = 0.9  # the last ones are those that stall or are retried


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The result of a probe: a row of PROBE_SCHEMA per link, and its costs in milliseconds of one core.

    Per link, `client_ms` is the cost of the thread that fetches and `process_ms` of its whole process; per link with a
    body, `decode_ms` is the cost of the decoding processes. `pace_ms` is wall time per link until nine tenths were
    done, with whatever slowed the machine or the network down.
    """

    rows: pl.DataFrame
    client_ms: float
    process_ms: float
    decode_ms: float
    pace_ms: float


def probe(
    sample: pl.DataFrame,
    settings: FetchSettings,
    *,
    num_cores: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Probed:
    """Fetches every link of the sample within the limits of a download; dead links and bad images are rows."""
    start_s = asyncio.run(_start_s(settings))
    before_s = _children_s()
    started_s = time.process_time()
    measured, client_s, paced_s = asyncio.run(
        _probe(sample, settings, num_cores, on_progress or (lambda _done, _total: None))
    )
    process_s = time.process_time() - started_s
    num_bodies = int((measured["bytes_fetched"] > 0).sum())
    decode_s = max(0.0, _children_s() - before_s - start_s * min(num_cores, num_bodies))
    return Probed(
        rows=pl.concat([sample.select(_SAMPLED.names()), measured], how="horizontal"),
        client_ms=1000 * client_s / max(1, sample.height),
        process_ms=1000 * process_s / max(1, sample.height),
        decode_ms=1000 * decode_s / max(1, num_bodies),
        pace_ms=1000 * paced_s / max(1, int(PACED_SHARE * sample.height)),
    )


async def _probe(
    sample: pl.DataFrame, settings: FetchSettings, num_cores: int, on_progress: Callable[[int, int], None]
) -> tuple[pl.DataFrame, float, float]:
    """Returns a row per link, the processor seconds of this thread, and the wall time until most links were done."""
    started, started_work = time.monotonic(), time.thread_time()
    paced_s = 0.0
    decoders = Decoders(settings, num_cores, settings.decode_timeout_s)
    try:
        async with Fetcher(settings, gates=(decoders.ready,)) as fetcher, asyncio.TaskGroup() as tasks:
            links = [tasks.create_task(_measure(url, fetcher, decoders)) for url in sample["image_url"]]
            for num_done, link in enumerate(asyncio.as_completed(links), start=1):
                await link
                if num_done == int(PACED_SHARE * len(links)):
                    paced_s = time.monotonic() - started
                if num_done % PROGRESS_LINKS == 0 or num_done == len(links):
                    on_progress(num_done, len(links))
    finally:
        decoders.close()
    measured = pl.DataFrame([task.result() for task in links], schema=_MEASURED, orient="row")
    return measured, time.thread_time() - started_work, paced_s


async def _measure(url: str | None, fetcher: Fetcher, decoders: Decoders) -> tuple[Any, ...]:
    """Fetches and decodes one link and returns the values in the order of `_MEASURED`."""
    fetched = await fetcher.fetch(url) if url else Fetched(status=Status.INVALID_URL)
    status, bytes_stored = fetched.status, 0
    if fetched.data is not None:
        decoded = await decoders.decode(fetched.data)
        if isinstance(decoded, StoredImage):
            bytes_stored = len(decoded.data)
        else:
            status = decoded
    return (
        status.value,
        fetched.http_status,
        fetched.attempts,
        len(fetched.data or b""),
        bytes_stored,
        fetched.duration_ms,
        datetime.now(UTC),
    )


async def _start_s(settings: FetchSettings) -> float:
    """The processor seconds that a decoding process takes to start, which are negligible in a long download."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "PNG")
    before_s = _children_s()
    decoders = Decoders(settings, 1, settings.decode_timeout_s)
    try:
        await decoders.decode(pixel.getvalue())
    finally:
        decoders.close()
    return _children_s() - before_s


def _children_s() -> float:
    """The processor seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
