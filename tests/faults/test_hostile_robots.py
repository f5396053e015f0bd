"""A shop's robots.txt, whatever it holds, concerns the links to that shop and takes little memory."""

import asyncio
import tracemalloc
from collections.abc import Callable

import pytest
from protego import Protego

from catalog.download import robots as module
from catalog.download.fetched import Fetched
from catalog.download.fetching import Fetcher
from catalog.download.host_limiter import HostLimiter, Politeness
from catalog.download.robots_rules import AGENT, MAX_ROBOTS_BYTES, parse_rules
from catalog.images.statuses import Status
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.download.test_fetching import FOUND, settings

RULE = b"User-agent: *\nDisallow: /b.jpg\n"
BODIES = {
    "no text": bytes(range(256)) * 100,
    "a mark of the byte order": b"\xef\xbb\xbf" + RULE,
    "UTF-16": RULE.decode().encode("utf-16"),
    "NULs": b"\0" * 10_000,
    "unpaired surrogates": b"User-agent: \xed\xa0\x80\nDisallow: /\xed\xa0\x80\n",
    "rules without an agent": b"Disallow: /\nDisallow: /a.jpg\n",
    "a rule of 400 kB": b"User-agent: *\nDisallow: /" + b"x" * 400_000,
    "a rule of asterisks": b"User-agent: *\nDisallow: /" + b"*" * 400_000 + b"b.png",
    "asterisks between letters": b"User-agent: *\nDisallow: /" + b"*a" * 200_000 + b"b.png",
    "a hundred thousand colons": b":" * 100_000,
    "a line of 500 kB": b"User-agent" + b" " * 500_000,
    "a delay that is no number": b"User-agent: *\nCrawl-delay: nan\n",
    "a delay without end": b"User-agent: *\nCrawl-delay: inf\n",
    "a delay beyond numbers": b"User-agent: *\nCrawl-delay: 1e999\n",
    "a delay of many digits": b"User-agent: *\nCrawl-delay: " + b"9" * 10_000 + b"\n",
    "a negative delay": b"User-agent: *\nCrawl-delay: -5\n",
    "a rate beyond numbers": b"User-agent: *\nRequest-rate: 1/99999999999999999999999d\nVisit-time: 9999-9999\n",
    "percent signs": b"User-agent: *\nDisallow: /%%%zz%f\n",
    "a rule that is an address": b"User-agent: *\nDisallow: http://[\nAllow: //[::\n",
    "dollars": b"User-agent: *\nDisallow: " + b"$" * 50_000 + b"\n",
    "empty": b"",
}


def shop(robots: bytes) -> Callable[[str], Reply]:
    return lambda path: [response("200 OK", robots) if path == "/robots.txt" else FOUND]


def fetch_all(*urls: str) -> list[Fetched]:
    async def main() -> list[Fetched]:
        async with Fetcher(settings(honor_robots=True, politeness=Politeness(max_crawl_delay_s=0.01))) as fetcher:
            return list(await asyncio.gather(*map(fetcher.fetch, urls)))

    return asyncio.run(main())


@pytest.mark.parametrize("name", BODIES)
def test_rules_of_one_shop_end_its_links_in_a_status_and_no_others(name: str) -> None:
    with RawServer(shop(BODIES[name])) as hostile, RawServer(shop(b""), "127.0.0.1") as healthy:
        *ended, other = fetch_all(*(f"{hostile.url}/{path}.jpg" for path in "ab"), f"{healthy.url}/a.jpg")
    assert {each.status for each in ended} <= {Status.OK, Status.DISALLOWED}
    assert other.status is Status.OK


@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError, UnicodeDecodeError("utf-8", b"", 0, 1, "")])
def test_rules_whose_parsing_fails_forbid_their_shop_for_now(
    monkeypatch: pytest.MonkeyPatch, error: Exception | type[Exception]
) -> None:
    def broken(text: str) -> Protego:
        if "poison" in text:
            raise error
        return parse_rules(text)

    monkeypatch.setattr(module, "parse_rules", broken)
    with RawServer(shop(b"# poison")) as hostile, RawServer(shop(b"")) as healthy:
        *ended, other = fetch_all(*(f"{hostile.url}/{path}.jpg" for path in "abc"), f"{healthy.url}/a.jpg")
        assert {each.status for each in ended} == {Status.INTERNAL_ERROR}
        assert hostile.requests == {"/robots.txt": 1}
    assert other.status is Status.OK


@pytest.mark.parametrize("agent_line", ["User-agent: a{}", "useragent a{}", "USER AGENT: a{} # x", "User-agent: a{}*"])
def test_rules_of_a_thousand_other_agents_take_no_memory(agent_line: str) -> None:
    agents = "\n".join(agent_line.format(index) for index in range(1_000))
    rules = "\n".join(f"Disallow: /{index}" for index in range(1_000))
    text = f"{agents}\n{rules}\nUser-agent: *\nDisallow: /b\n"
    tracemalloc.start()
    try:
        parsed = parse_rules(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000, "a million rules take more"
    assert not parsed.can_fetch("http://a.example/b", AGENT)
    assert parsed.can_fetch("http://a.example/5", AGENT)


GROUPS = {
    "User-agent: shelfsight\nDisallow: /a": False,
    "User-agent: SHELFSIGHT # us\nDisallow: /a": False,
    "User-agent: shelfsight*\nDisallow: /a": False,
    "User-agent: other\nUser-agent: shelfsight\nDisallow: /a": False,
    "User-agent: shelfsight\n\nUser-agent: other\nDisallow: /a": False,
    "User-agent: shelfsight\nnonsense\nUser-agent: other\nDisallow: /a": False,
    "User-agent: other\nDisallow: /a": True,
    "User-agent: other\nDisallow: /a\nUser-agent: *\nDisallow: /b": True,
    "User-agent: shelfsight\nDisallow: /b\nUser-agent: other\nDisallow: /a": True,
    "User-agent: *\nDisallow: /a\nUser-agent: shelfsight\nAllow: /": True,
    "User-agent: *\r\nDisallow: /a\r\n": False,
    "user agent *\ndisallow /a": False,
    "User-agent:*\nDisallow:/a": False,
    "Sitemap: http://a.example/s.xml\nUser-agent: *\nSitemap: x\nDisallow: /a": False,
    "User-agent: shelfsight\nCrawl-delay: 3\nUser-agent: other\nDisallow: /a": True,
}


@pytest.mark.parametrize("text", GROUPS)
def test_groups_for_this_agent_apply_as_the_whole_file_says(text: str) -> None:
    url = "http://a.example/a"
    assert parse_rules(text).can_fetch(url, AGENT) is GROUPS[text]
    assert Protego.parse(text).can_fetch(url, AGENT) is GROUPS[text]
    assert parse_rules(text).crawl_delay(AGENT) == Protego.parse(text).crawl_delay(AGENT)


def test_rules_beyond_the_size_that_a_crawler_reads_are_ignored() -> None:
    assert parse_rules(" " * MAX_ROBOTS_BYTES + "\nUser-agent: *\nDisallow: /a").can_fetch("http://a.example/a", AGENT)


@pytest.mark.parametrize("interval_s", [float("nan"), float("-inf"), -1.0, 0.0])
def test_interval_that_is_none_slows_no_host_down(interval_s: float) -> None:
    host = HostLimiter("h", Politeness())
    host.slow_down(interval_s)
    assert host._interval_s == 0.0
