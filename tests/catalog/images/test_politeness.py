"""A host is pressed no harder than it was promised, and left alone when it is unwell."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from catalog.images.politeness import Host, HostPausedError, Hosts, Politeness, retry_after_s


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


async def moments_of(host: Host, num_requests: int) -> list[float]:
    """When each of so many requests got its turn, in seconds from now."""
    started, moments = time.monotonic(), []

    async def request() -> None:
        async with host.turn():
            moments.append(time.monotonic() - started)

    await asyncio.gather(*(request() for _ in range(num_requests)))
    return moments


def fail(host: Host, num_times: int) -> None:
    for _ in range(num_times):
        host.failed(asked_at=time.monotonic(), is_first_attempt=True)


async def is_paused(host: Host) -> bool:
    try:
        async with host.turn():
            return False
    except HostPausedError:
        return True


def test_the_rate_holds_over_parallel_connections() -> None:
    async def check() -> None:
        moments = await moments_of(Host("h", Politeness(max_connections=4, rate_per_s=50)), 11)
        assert moments == sorted(moments)
        assert 10 / 50 <= moments[-1] < 5
        gaps = [after - before for before, after in pairwise(moments)]
        assert min(gaps) >= 0.5 / 50

    run(check())


def test_after_retry_after_nobody_asks_too_early() -> None:
    async def check() -> None:
        host = Host("h", Politeness())
        host.retry_after(0.2)
        moments = await moments_of(host, 5)
        assert min(moments) >= 0.2

    run(check())


def test_a_retry_after_beyond_measure_pauses_the_host() -> None:
    async def check() -> None:
        host = Host("h", Politeness(max_retry_after_s=60))
        host.retry_after(3600)
        assert await is_paused(host)

    run(check())


def test_failures_in_a_row_pause_the_host_until_a_probe_succeeds() -> None:
    async def check() -> None:
        host = Host("h", Politeness(failures_to_pause=5, pause_s=0.1))
        fail(host, 4)
        assert not await is_paused(host)
        fail(host, 1)
        assert await is_paused(host)
        await asyncio.sleep(0.11)
        async with host.turn():  # the probe: nobody else meanwhile
            assert await is_paused(host)
            fail(host, 1)
        assert await is_paused(host)
        await asyncio.sleep(0.11)
        async with host.turn():
            host.succeeded()
        assert not await is_paused(host)

    run(check())


def test_a_success_between_failures_keeps_the_host_open() -> None:
    async def check() -> None:
        host = Host("h", Politeness(failures_to_pause=5))
        for _ in range(5):
            fail(host, 4)
            host.succeeded()
        assert not await is_paused(host)

    run(check())


def test_a_stall_that_began_before_others_were_served_says_nothing_against_the_host() -> None:
    async def check() -> None:
        host = Host("h", Politeness(failures_to_pause=5))
        asked_at = time.monotonic()
        host.succeeded()
        for _ in range(20):
            host.failed(asked_at=asked_at, is_first_attempt=True)
        assert not await is_paused(host)

    run(check())


def test_one_broken_picture_asked_for_again_and_again_does_not_pause_its_host() -> None:
    async def check() -> None:
        host = Host("h", Politeness(failures_to_pause=5))
        for _ in range(20):
            host.failed(asked_at=time.monotonic(), is_first_attempt=False)
        assert not await is_paused(host)

    run(check())


def test_a_paused_host_does_not_pause_another() -> None:
    async def check() -> None:
        hosts = Hosts(Politeness(failures_to_pause=1))
        fail(hosts["a:80"], 1)
        assert await is_paused(hosts["a:80"])
        assert not await is_paused(hosts["b:80"])

    run(check())


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_s("7") == 7
    assert retry_after_s(in_a_minute) == pytest.approx(60, abs=2)
    assert retry_after_s("Mon, 01 Jan 2001 00:00:00 GMT") == 0


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "٣", "Mon, 99 Foo 2001"])
def test_a_retry_after_that_makes_no_sense_is_ignored(header: str | None) -> None:
    assert retry_after_s(header) is None


@pytest.mark.parametrize("wrong", [{"max_connections": 0}, {"rate_per_s": 0.0}, {"failures_to_pause": 0}])
def test_limits_that_would_stop_everything_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Politeness(**wrong)
