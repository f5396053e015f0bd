"""Posting: one JSON message to a web server, through the guard."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from catalog.network.guards import Guard
from catalog.network.sessions import guarded_session


async def post_json(url: str, message: Mapping[str, str], guard: Guard, timeout_s: float) -> int:
    """Post a JSON object and return the HTTP status of the response, whose body is not read.

    Redirects are not followed, as a message is for the server that is named.

    Args:
        url: of http or https, without a password.
        message: the fields of the object.
        guard: the addresses that are allowed.
        timeout_s: seconds for all of it, the lookup of the name included.

    Raises:
        InvalidUrlError: the text is no such URL.
        BlockedAddressError: its address is not allowed.
        aiohttp.ClientError, TimeoutError: the server cannot be reached in time.
    """
    checked = guard.check_url(url)
    async with (
        guarded_session(guard, aiohttp.ClientTimeout(total=timeout_s)) as session,
        session.post(checked, json=dict(message), allow_redirects=False) as response,
    ):
        return response.status
