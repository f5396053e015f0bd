"""A host gets no more connections and requests than its limits allow, and none while it is paused."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from catalog.download.host_limiter import HostLimiter, HostLimiters, HostPausedError, Politeness, retry_after_s
from tests.catalog.download.virtual_time import run


def now() -> float:
    return asyncio.get_running_loop().time()


async def start_times(host: HostLimiter, num_requests: int) -> list[float]:
    """The time at which each of the requests got its slot, in seconds from now."""
    started, times = now(), []

    async def request() -> None:
        async with host.slot():
            times.append(now() - started)

    await asyncio.gather(*(request() for _ in range(num_requests)))
    return times


def fail(host: HostLimiter, num_times: int) -> None:
    for _ in range(num_times):
        host.failed(started_at=now(), is_first_attempt=True)


async def is_paused(host: HostLimiter) -> bool:
    try:
        async with host.slot():
            return False
    except HostPausedError:
        return True


def test_rate_holds_over_parallel_connections() -> None:
    async def check() -> None:
        times = await start_times(HostLimiter("h", Politeness(max_connections=4, rate_per_s=50)), 11)
        assert times[0] == 0
        assert [after - before for before, after in pairwise(times)] == pytest.approx([1 / 50] * 10)

    run(check())


def test_no_request_starts_before_retry_after_is_over() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness())
        host.retry_after(20.0)
        assert await start_times(host, 5) == pytest.approx([20.0] * 5)

    run(check())


def test_retry_after_beyond_the_maximum_pauses_the_host() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(max_retry_after_s=60))
        host.retry_after(3600)
        assert await is_paused(host)
        await asyncio.sleep(3601)
        assert not await is_paused(host)

    run(check())


def test_crawl_delay_keeps_requests_apart_up_to_its_maximum() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(max_crawl_delay_s=10.0))
        host.slow_down(3.0)
        assert await start_times(host, 3) == pytest.approx([0, 3, 6])
        host.slow_down(3600.0)
        assert await start_times(host, 3) == pytest.approx([3, 13, 23])

    run(check())


def test_failures_in_a_row_pause_the_host_until_a_probe_succeeds() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(failures_to_pause=5, pause_s=30))
        fail(host, 4)
        assert not await is_paused(host)
        fail(host, 1)
        assert await is_paused(host)
        await asyncio.sleep(29)
        assert await is_paused(host)
        await asyncio.sleep(2)
        async with host.slot():  # the probe: no other request meanwhile
            assert await is_paused(host)
            fail(host, 1)
        assert await is_paused(host)
        await asyncio.sleep(31)
        async with host.slot():
            host.succeeded()
        assert not await is_paused(host)

    run(check())


def test_success_between_failures_keeps_the_host_open() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(failures_to_pause=5))
        for _ in range(5):
            fail(host, 4)
            host.succeeded()
            await asyncio.sleep(1)
        assert not await is_paused(host)

    run(check())


def test_stall_that_began_before_a_success_does_not_count_against_the_host() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(failures_to_pause=5))
        started_at = now()
        await asyncio.sleep(1)
        host.succeeded()
        for _ in range(20):
            host.failed(started_at=started_at, is_first_attempt=True)
        assert not await is_paused(host)

    run(check())


def test_retries_of_one_broken_image_do_not_pause_its_host() -> None:
    async def check() -> None:
        host = HostLimiter("h", Politeness(failures_to_pause=5))
        for _ in range(20):
            host.failed(started_at=now(), is_first_attempt=False)
        assert not await is_paused(host)

    run(check())


def test_paused_host_does_not_pause_another() -> None:
    async def check() -> None:
        hosts = HostLimiters(Politeness(failures_to_pause=1))
        fail(hosts["a:80"], 1)
        assert await is_paused(hosts["a:80"])
        assert not await is_paused(hosts["b:80"])

    run(check())


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_s("7") == 7
    assert retry_after_s(in_a_minute) == pytest.approx(60, abs=2)
    assert retry_after_s("Mon, 01 Jan 2001 00:00:00 GMT") == 0


ABSURD = (
    *("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    *("Mon, 01 Jan 2024 99999999999:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 -2400", "nan", "inf", "\udcff", "²"),
)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "٣", "Mon, 99 Foo 2001", *ABSURD])
def test_invalid_retry_after_is_ignored(header: str | None) -> None:
    assert retry_after_s(header) is None


@pytest.mark.parametrize("wrong", [{"max_connections": 0}, {"rate_per_s": 0.0}, {"failures_to_pause": 0}])
def test_limits_that_would_stop_everything_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Politeness(**wrong)
