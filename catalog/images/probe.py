"""The probe: a sample of links fetched and decoded as a download would, of which nothing is stored but the facts."""

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

from catalog.images.decoders import Decoders
from catalog.images.fetch_settings import FetchSettings
from catalog.images.fetched import Fetched
from catalog.images.fetching import Fetcher
from catalog.images.picture import Picture
from catalog.images.statuses import Status

_SAMPLED = pl.Schema(  # as `sampling.draw` gives it
    {
        "delivery": pl.String(),
        "product_id": pl.String(),
        "partner_id": pl.String(),
        "image_url": pl.String(),
        "host": pl.String(),
        "shop": pl.String(),
        "stratum": pl.String(),
        "stratum_size": pl.Int64(),
        "weight": pl.Float64(),  # links that this one stands for
    }
)
_FACTS = pl.Schema(
    {
        "status": pl.String(),
        "http_status": pl.Int32(),
        "attempts": pl.Int32(),
        "bytes_fetched": pl.Int64(),  # of the body; 0 where none was kept
        "bytes_stored": pl.Int64(),  # of the picture as a download would store it; 0 without one
        "duration_ms": pl.Float64(),  # on the wire
        "probed_at": pl.Datetime("us", "UTC"),
    }
)
PROBE_SCHEMA = pl.Schema({**_SAMPLED, **_FACTS})
PROGRESS_LINKS = 1_000
PACED_SHARE = 0.9  # the last ones are those that stall or are asked again


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a probe found: a row of PROBE_SCHEMA a link, and what it cost, in milliseconds of one core.

    For each link, `client_ms` is that of the thread which asks, `process_ms` that of its whole process; for each
    link with a body, `decode_ms` is that of the decoding processes. `pace_ms` is by the clock: the time a link until
    nine tenths were done, with whatever held the machine or the network up.
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
    """Ask for every link of the sample, as politely as a download; dead links and bad pictures are rows."""
    start_s = asyncio.run(_start_s(settings))
    before_s = _children_s()
    started_s = time.process_time()
    facts, client_s, paced_s = asyncio.run(
        _probe(sample, settings, num_cores, on_progress or (lambda _done, _total: None))
    )
    process_s = time.process_time() - started_s
    num_bodies = int((facts["bytes_fetched"] > 0).sum())
    decode_s = max(0.0, _children_s() - before_s - start_s * min(num_cores, num_bodies))
    return Probed(
        rows=pl.concat([sample.select(_SAMPLED.names()), facts], how="horizontal"),
        client_ms=1000 * client_s / max(1, sample.height),
        process_ms=1000 * process_s / max(1, sample.height),
        decode_ms=1000 * decode_s / max(1, num_bodies),
        pace_ms=1000 * paced_s / max(1, int(PACED_SHARE * sample.height)),
    )


async def _probe(
    sample: pl.DataFrame, settings: FetchSettings, num_cores: int, on_progress: Callable[[int, int], None]
) -> tuple[pl.DataFrame, float, float]:
    """The facts, a row a link; the seconds that this thread worked, not the wire; and those until most was done."""
    started, started_work = time.monotonic(), time.thread_time()
    paced_s = 0.0
    decoders = Decoders(settings, num_cores, settings.decode_timeout_s)
    try:
        async with Fetcher(settings, ready=decoders.ready) as fetcher, asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(_facts(url, fetcher, decoders)) for url in sample["image_url"]]
            for num_done, answer in enumerate(asyncio.as_completed(asked), start=1):
                await answer
                if num_done == int(PACED_SHARE * len(asked)):
                    paced_s = time.monotonic() - started
                if num_done % PROGRESS_LINKS == 0 or num_done == len(asked):
                    on_progress(num_done, len(asked))
    finally:
        decoders.close()
    facts = pl.DataFrame([task.result() for task in asked], schema=_FACTS, orient="row")
    return facts, time.thread_time() - started_work, paced_s


async def _facts(url: str | None, fetcher: Fetcher, decoders: Decoders) -> tuple[Any, ...]:
    """What asking for one link gave, in the order of `_FACTS`."""
    fetched = await fetcher.fetch(url) if url else Fetched(status=Status.INVALID_URL)
    status, bytes_stored = fetched.status, 0
    if fetched.data is not None:
        decoded = await decoders.decode(fetched.data)
        if isinstance(decoded, Picture):
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
    """The processor seconds that starting a decoding process takes, which a long download does not feel."""
    speck = io.BytesIO()
    Image.new("L", (1, 1)).save(speck, "PNG")
    before_s = _children_s()
    decoders = Decoders(settings, 1, settings.decode_timeout_s)
    try:
        await decoders.decode(speck.getvalue())
    finally:
        decoders.close()
    return _children_s() - before_s


def _children_s() -> float:
    """The processor seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
