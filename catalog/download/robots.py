"""Robots: the rules of a shop for crawlers, in its robots.txt (RFC 9309) and in an image's X-Robots-Tag header."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from protego import Protego
from yarl import URL

from catalog.download.robots_rules import AGENT, parse_rules
from catalog.download.unforeseen import log_unforeseen
from catalog.images.statuses import Status

REFUSING_DIRECTIVES = frozenset({"noindex", "noimageindex", "none", "noai", "noimageai"})

# While robots.txt is unreachable nothing may be fetched (section 2.3.1.4); where there is none everything (2.3.1.3).
_UNREACHABLE = frozenset(
    {
        *(Status.TIMEOUT, Status.CONNECT_ERROR, Status.DNS_ERROR, Status.HOST_PAUSED, Status.HTTP_ERROR),
        *(Status.HOST_REFUSED, Status.INTERNAL_ERROR),
    }
)


@dataclass(frozen=True, slots=True)
class RobotsReply:
    """The result of fetching a robots.txt, with its text where there is one."""

    status: Status
    http_status: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of one origin, or the status that explains why they are unreachable and nothing may be fetched now."""

    unreachable: Status | None
    rules: Protego


class Robots:
    """The robots.txt of every origin, each fetched once.

    `fetch` fetches it within the host's limits; `on_delay` receives an origin and the seconds that its rules want
    between two requests.
    """

    def __init__(self, fetch: Callable[[URL], Awaitable[RobotsReply]], on_delay: Callable[[URL, float], None]) -> None:
        self._fetch = fetch
        self._on_delay = on_delay
        self._rules: dict[URL, asyncio.Task[_Rules]] = {}

    async def refusal(self, url: URL) -> Status | None:
        """Returns DISALLOWED where the rules forbid the link, a retryable status while they are unreachable."""
        origin = url.origin()
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._read(origin))
        found = await asyncio.shield(self._rules[origin])
        if found.unreachable is not None:
            return found.unreachable
        return None if found.rules.can_fetch(str(url), AGENT) else Status.DISALLOWED

    async def _read(self, origin: URL) -> _Rules:
        try:
            return await self._parsed(origin)
        except Exception as error:  # nothing may be fetched by rules that cannot be read, and only from this origin
            log_unforeseen("reading robots.txt of", origin, error)
            return _Rules(Status.INTERNAL_ERROR, Protego.parse(""))

    async def _parsed(self, origin: URL) -> _Rules:
        reply = await self._fetch(origin / "robots.txt")
        is_refused = reply.http_status is not None and 400 <= reply.http_status < 500 and reply.http_status != 429
        if reply.status in _UNREACHABLE and not is_refused:
            return _Rules(reply.status, Protego.parse(""))
        rules = parse_rules(reply.text)
        delay_s = rules.crawl_delay(AGENT)
        if delay_s:
            self._on_delay(origin, float(delay_s))
        return _Rules(None, rules)


def tag_refuses(headers: Iterable[str]) -> bool:
    """Returns True where X-Robots-Tag headers forbid the image's use; those addressed to another agent do not count.

    A header is a list of directives, `noindex, noai`, or one after an agent's name, `otherbot: noindex`.
    """
    for header in headers:
        agent, colon, rest = header.partition(":")
        is_addressed = bool(colon) and "," not in agent and agent.strip().lower() not in _DIRECTIVES_WITH_VALUES
        if is_addressed and agent.strip().lower() != AGENT:
            continue
        directives = {directive.strip().lower() for directive in (rest if is_addressed else header).split(",")}
        if directives & REFUSING_DIRECTIVES:
            return True
    return False


_DIRECTIVES_WITH_VALUES = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
