"""Hosts: requests for another name (DNS rebinding), from another origin, or with too many bytes are refused.

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

    def __init__(self, application: ASGIApp, *, names: Collection[str], allows_addresses: bool, max_bytes: int) -> None:
        self._application = application
        self._names = frozenset(each.lower() for each in names) | LOOPBACK
        self._allows_addresses = allows_addresses
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._problem(scope["method"], headers):
            await _refuse(send, 403, "forbidden", problem)
            return
        limited = _Limited(receive, self._max_bytes)
        if limited.is_too_long(headers):
            await _refuse(send, 413, "too_large", self._too_large)
            return

        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        try:
            await self._application(scope, limited, send_with_headers)
        except _TooManyBytesError:
            if not has_started:
                await _refuse(send, 413, "too_large", self._too_large)

    @property
    def _too_large(self) -> str:
        return f"a request has at most {self._max_bytes:,} bytes; send less at once, or raise explorer_max_upload_bytes"

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


class _TooManyBytesError(Exception):
    pass


class _Limited:
    """Receives a request's body up to a number of bytes."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes

    def is_too_long(self, headers: Headers) -> bool:
        """True where the request announces more."""
        announced = headers.get("content-length", "0")
        return not announced.isdigit() or int(announced) > self._left

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooManyBytesError
        return message


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
