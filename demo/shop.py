"""The demo's shop: real pictures over loopback, with the faults of a real catalogue."""

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

PictureSource = Callable[[str], bytes | None]

_HOME_PAGE = b"<!doctype html><title>The shop</title><h1>Welcome to our shop</h1>"


class _Counter:
    """The shop's counter: decides what each request is answered, and counts."""

    def __init__(self, pictures: PictureSource, faults: Callable[[str], Fault | None]) -> None:
        self._pictures = pictures
        self._faults = faults
        self._failed_once: set[str] = set()
        self.requests: Counter[str] = Counter()  # by path
        self.faults: Counter[Fault] = Counter()

    def answer(self, path: str) -> bytes:
        """The whole response to GET `path`, or less of it than it promises."""
        self.requests[path] += 1
        if path == "/":
            return http_response("200 OK", _HOME_PAGE)
        picture_id = unquote(path.removeprefix("/p/").removesuffix(".jpg"))
        if path != f"/p/{quote(picture_id, safe='')}.jpg" or (data := self._pictures(picture_id)) is None:
            return http_response("404 Not Found", SORRY_PAGE)
        fault = self._faults(picture_id)
        if fault in {Fault.FLAKY, Fault.THROTTLED}:
            if picture_id in self._failed_once:
                fault = None
            self._failed_once.add(picture_id)
        if fault is None:
            return http_response("200 OK", data, "image/jpeg")
        self.faults[fault] += 1
        return faulty_response(fault, data)


class _Connection(asyncio.Protocol):
    """One customer's connection, kept open; requests on it are answered in turn."""

    def __init__(self, counter: _Counter, open_connections: set[asyncio.Transport]) -> None:
        self._counter = counter
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
                self._transport.write(self._counter.answer(words[1]))
            else:
                self._transport.write(http_response("400 Bad Request", headers="Connection: close\r\n"))
                self._transport.close()
        if len(self._received) > 65_536:
            self._transport.abort()


async def _serve(
    counter: _Counter, hosts: Sequence[str], port: int, on_ready: Callable[[int], None], until: asyncio.Event
) -> None:
    """Answers until told to stop, then drops every connection, the stalled ones among them."""
    transports: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(_Connection, counter, transports), hosts, port, backlog=1024)
    try:
        on_ready(server.sockets[0].getsockname()[1])
        await until.wait()
    finally:
        server.close()
        for transport in list(transports):
            transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next round
        await server.wait_closed()


class Shop(AbstractContextManager["Shop"]):
    """The shop in a thread of its own, open while the context lasts.

    `pictures` gives the JPEG behind a picture id, or None; it is called in the shop's thread. `faults`
    replaces the seeded choice of faults. Several hosts need a port that is free at all of them.
    """

    def __init__(
        self,
        pictures: PictureSource,
        *,
        seed: int = 0,
        host: str | Sequence[str] = "127.0.0.1",
        port: int = 0,
        faults: Callable[[str], Fault | None] | None = None,
    ) -> None:
        self._counter = _Counter(pictures, faults or partial(fault_of, seed=seed))
        self._hosts = [host] if isinstance(host, str) else list(host)
        self.port = port  # 0 until the shop is open: any free one
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shop", daemon=True)
        self._error: OSError | None = None

    @property
    def url(self) -> str:
        """The shop's address, without a slash at its end."""
        return f"http://{self._hosts[0]}:{self.port}"

    @property
    def requests(self) -> Counter[str]:
        """Requests so far, by path."""
        return self._counter.requests

    @property
    def faults(self) -> Counter[Fault]:
        """Faulty answers given so far."""
        return self._counter.faults

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
        except OSError as error:  # told by __enter__
            self._error = error
            self._opened.set()

    async def _open_until_closed(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        await _serve(self._counter, self._hosts, self.port, self._announce, self._closing)

    def _announce(self, port: int) -> None:
        self.port = port
        self._opened.set()
