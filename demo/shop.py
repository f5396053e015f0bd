"""Web shop of the demo: real images over loopback, with the faults of a real catalog."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import cast
from urllib.parse import quote, unquote

from demo.faults import SORRY_PAGE, Fault, fault_of, faulty_response, http_response

ImageSource = Callable[[str], bytes | None]

_HOME_PAGE = b"<!doctype html><title>The shop</title><h1>Welcome to our shop</h1>"


class _Responder:
    """Chooses the response to each request, and counts requests and faults."""

    def __init__(self, images: ImageSource, faults: Callable[[str], Fault | None]) -> None:
        self._images = images
        self._faults = faults
        self._failed_once: set[str] = set()
        self.requests: Counter[str] = Counter()  # by path
        self.faults: Counter[Fault] = Counter()

    def respond(self, path: str) -> bytes:
        """Returns the response to GET `path`, which may be truncated."""
        self.requests[path] += 1
        if path == "/":
            return http_response("200 OK", _HOME_PAGE)
        image_id = unquote(path.removeprefix("/p/").removesuffix(".jpg"))
        if path != f"/p/{quote(image_id, safe='')}.jpg" or (data := self._images(image_id)) is None:
            return http_response("404 Not Found", SORRY_PAGE)
        fault = self._faults(image_id)
        if fault in {Fault.FLAKY, Fault.THROTTLED}:
            if image_id in self._failed_once:
                fault = None
            self._failed_once.add(image_id)
        if fault is None:
            return http_response("200 OK", data, "image/jpeg")
        self.faults[fault] += 1
        return faulty_response(fault, data)


class _Connection(asyncio.Protocol):
    """A client's connection, kept open; its requests get responses in order."""

    def __init__(self, responder: _Responder, open_connections: set[asyncio.Transport]) -> None:
        self._responder = responder
        self._open = open_connections
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            words = self._received[: self._received.index(b"\r\n")].decode("latin-1").split(" ")
            self._received = self._received[end + 4 :]
            if len(words) == 3 and words[0] == "GET":
                self._transport.write(self._responder.respond(words[1]))
            else:
                self._transport.write(http_response("400 Bad Request", headers="Connection: close\r\n"))
                self._transport.close()
        if len(self._received) > 65_536:
            self._transport.abort()


async def _serve(
    responder: _Responder,
    hosts: Sequence[str],
    port: int,
    on_ready: Callable[[int], None],
    until: asyncio.Event,
    is_port_shared: bool,
) -> None:
    """Serves until the event is set, then aborts every connection, including stalled ones."""
    transports: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    connection = partial(_Connection, responder, transports)
    server = await loop.create_server(connection, hosts, port, backlog=1024, reuse_port=is_port_shared or None)
    try:
        on_ready(server.sockets[0].getsockname()[1])
        await until.wait()
    finally:
        server.close()
        for transport in list(transports):
            transport.abort()
        await asyncio.sleep(0)  # transports close their sockets in the next iteration of the loop
        await server.wait_closed()


class Shop(AbstractContextManager["Shop"]):
    """The shop as a context manager that serves from its own thread.

    Args:
        images: returns the JPEG of an image id, or None; called in the shop's thread.
        seed: seed of the faults.
        host: address or addresses to listen on.
        port: port to listen on, which must be free on all of them; 0 for any free one.
        faults: replaces the seeded choice of faults.
        is_port_shared: lets several processes open the same shop at one port; each serves a part of the connections.
    """

    def __init__(
        self,
        images: ImageSource,
        *,
        seed: int = 0,
        host: str | Sequence[str] = "127.0.0.1",
        port: int = 0,
        faults: Callable[[str], Fault | None] | None = None,
        is_port_shared: bool = False,
    ) -> None:
        self._is_port_shared = is_port_shared
        self._responder = _Responder(images, faults or partial(fault_of, seed=seed))
        self._hosts = [host] if isinstance(host, str) else list(host)
        self.port = port  # 0 until the shop is open
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shop", daemon=True)
        self._error: OSError | None = None

    @property
    def url(self) -> str:
        """The shop's address, without a trailing slash."""
        return f"http://{self._hosts[0]}:{self.port}"

    @property
    def requests(self) -> Counter[str]:
        """Number of requests by path."""
        return self._responder.requests

    @property
    def faults(self) -> Counter[Fault]:
        """Number of faulty responses by fault."""
        return self._responder.faults

    def __enter__(self) -> Shop:
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise OSError(f"the shop cannot open at {self.url}: {self._error}") from self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._open_until_closed())
        except OSError as error:  # raised by __enter__
            self._error = error
            self._opened.set()

    async def _open_until_closed(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        await _serve(self._responder, self._hosts, self.port, self._announce, self._closing, self._is_port_shared)

    def _announce(self, port: int) -> None:
        self.port = port
        self._opened.set()
