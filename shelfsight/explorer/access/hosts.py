"""Hosts: requests for another name (DNS rebinding), or from another origin, are refused.

One ASGI middleware, which also sets the headers by which a browser loads and runs nothing from elsewhere.
"""

import ipaddress
import json
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shelfsight.explorer.access.csrf import SAFE

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class HostGuard:
    """Passes on requests for these names, or, unless only loopback is served, for a bare address."""

    def __init__(self, application: ASGIApp, *, names: Collection[str], allows_addresses: bool) -> None:
        self._application = application
        self._names = frozenset(each.lower() for each in names) | LOOPBACK
        self._allows_addresses = allows_addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._problem(scope["method"], headers):
            await _refuse(send, problem)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        await self._application(scope, receive, send_with_headers)

    def _problem(self, method: str, headers: Headers) -> str:
        """Says why a request is refused; empty where it is not."""
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_served(host):
            return f"the explorer does not serve {host[:100]!r}; add the name to explorer_hosts"
        if method in SAFE:
            return ""
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"the request comes from {origin[:100]!r}, another site"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "the request comes from another site"
        return ""

    def _is_served(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._allows_addresses


async def _refuse(send: Send, message: str) -> None:
    body = json.dumps({"error": {"code": "forbidden", "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
