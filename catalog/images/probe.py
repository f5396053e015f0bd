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
from catalog.images.fetching import Fetched, Fetcher, FetchSettings
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


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a probe found: a row of PROBE_SCHEMA a link, and what it cost of one core, in milliseconds.

    `client_ms` is the HTTP client's, for each link; `decode_ms` the decoding processes', for each link with a body.
    """

    rows: pl.DataFrame
    client_ms: float
    decode_ms: float


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
    facts, client_s = asyncio.run(_probe(sample, settings, num_cores, on_progress or (lambda _done, _total: None)))
    num_bodies = int((facts["bytes_fetched"] > 0).sum())
    decode_s = max(0.0, _children_s() - before_s - start_s * min(num_cores, num_bodies))
    return Probed(
        rows=pl.concat([sample.select(_SAMPLED.names()), facts], how="horizontal"),
        client_ms=1000 * client_s / max(1, sample.height),
        decode_ms=1000 * decode_s / max(1, num_bodies),
    )


async def _probe(
    sample: pl.DataFrame, settings: FetchSettings, num_cores: int, on_progress: Callable[[int, int], None]
) -> tuple[pl.DataFrame, float]:
    """The facts, a row a link, and the seconds that this thread worked: the client, not the wire."""
    started = time.thread_time()
    decoders = Decoders(settings, num_cores, settings.decode_timeout_s)
    try:
        async with Fetcher(settings, ready=decoders.ready) as fetcher, asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(_facts(url, fetcher, decoders)) for url in sample["image_url"]]
            for num_done, answer in enumerate(asyncio.as_completed(asked), start=1):
                await answer
                if num_done % PROGRESS_LINKS == 0 or num_done == len(asked):
                    on_progress(num_done, len(asked))
    finally:
        decoders.close()
    facts = pl.DataFrame([task.result() for task in asked], schema=_FACTS, orient="row")
    return facts, time.thread_time() - started


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
