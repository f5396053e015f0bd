"""Robots: what a shop asks of crawlers, in its robots.txt (RFC 9309) and in a picture's X-Robots-Tag header."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from protego import Protego
from yarl import URL

from catalog.images.statuses import Status

AGENT = "shelfsight"  # the product token that a shop may address
REFUSING_DIRECTIVES = frozenset({"noindex", "noimageindex", "none", "noai", "noimageai"})
MAX_ROBOTS_BYTES = 500 * 1024  # RFC 9309, section 2.5: more need not be read

# Without an answer nothing may be fetched (section 2.3.1.4); whatever else is no robots.txt forbids nothing (2.3.1.3).
_UNREACHABLE = frozenset(
    {Status.TIMEOUT, Status.CONNECT_ERROR, Status.DNS_ERROR, Status.HOST_PAUSED, Status.HTTP_ERROR, Status.HOST_REFUSED}
)


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """How asking for a robots.txt ended; the text where there is one."""

    status: Status
    http_status: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for one origin: why nothing may be asked of it now, or its rules."""

    unreachable: Status | None
    rules: Protego


class Robots:
    """The robots.txt of every origin met, each asked for once; `ask` fetches it, politely."""

    def __init__(self, ask: Callable[[URL], Awaitable[RobotsAnswer]], on_delay: Callable[[URL, float], None]) -> None:
        self._ask = ask
        self._on_delay = on_delay  # told the seconds that an origin wants between two requests
        self._rules: dict[URL, asyncio.Task[_Rules]] = {}

    async def refusal(self, url: URL) -> Status | None:
        """DISALLOWED where the rules forbid this link, a retryable status where they cannot be had, else None."""
        origin = url.origin()
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._fetched(origin))
        found = await asyncio.shield(self._rules[origin])
        if found.unreachable is not None:
            return found.unreachable
        return None if found.rules.can_fetch(str(url), AGENT) else Status.DISALLOWED

    async def _fetched(self, origin: URL) -> _Rules:
        answer = await self._ask(origin / "robots.txt")
        is_refused = answer.http_status is not None and 400 <= answer.http_status < 500 and answer.http_status != 429
        if answer.status in _UNREACHABLE and not is_refused:
            return _Rules(answer.status, Protego.parse(""))
        rules = Protego.parse(answer.text[:MAX_ROBOTS_BYTES])
        delay_s = rules.crawl_delay(AGENT)
        if delay_s:
            self._on_delay(origin, float(delay_s))
        return _Rules(None, rules)


def tag_refuses(headers: Iterable[str]) -> bool:
    """Whether X-Robots-Tag headers forbid the picture's use; those addressed to another agent do not count.

    A header is a list of directives, `noindex, noai`, or one after an agent's name, `otherbot: noindex`.
    """
    for header in headers:
        agent, colon, rest = header.partition(":")
        is_addressed = bool(colon) and "," not in agent and agent.strip().lower() not in _DIRECTIVES_WITH_VALUES
        if is_addressed and agent.strip().lower() != AGENT:
            continue
        directives = {each.strip().lower() for each in (rest if is_addressed else header).split(",")}
        if directives & REFUSING_DIRECTIVES:
            return True
    return False


_DIRECTIVES_WITH_VALUES = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
