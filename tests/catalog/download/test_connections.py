"""Idle connections are reused, limited in number, and closed at once, on real sockets."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp.resolver import ThreadedResolver

from catalog.download.connections import CappedConnector
from catalog.download.descriptors import num_open
from catalog.network.guards import Guard
from tests.faults.tls_server import Authority

LOOPBACK = Guard.allowing(("127.0.0.0/8",))

BODY = b"the bytes of an image"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Keeping:
    """A server that keeps every connection open and counts those that it has accepted and those still open."""

    def __init__(self) -> None:
        self.num_accepted = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Keeping":
        self._server = await asyncio.start_server(self._reply, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/a.jpg"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.open:
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_accepted += 1
        self.open.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(REPLY)
        self.open.discard(writer)
        writer.close()


@contextmanager
def session(max_idle: int) -> Iterator[aiohttp.ClientSession]:
    yield aiohttp.ClientSession(connector=CappedConnector(max_idle, LOOPBACK, ThreadedResolver()))


async def get(client: aiohttp.ClientSession, server: Keeping) -> None:
    async with client.get(server.url) as response:
        assert await response.read() == BODY


async def until(server: Keeping, num_open: int) -> None:
    while len(server.open) != num_open:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("max_idle", [0, 1, 3, 20])
def test_idle_connections_are_limited_over_all_hosts(max_idle: int) -> None:
    async def check() -> None:
        servers = [await Keeping().__aenter__() for _ in range(10)]
        with session(max_idle) as client:
            for server in servers:
                await get(client, server)
            kept = min(max_idle, 10)
            # The longest idle is closed first.
            for index, server in enumerate(servers):
                await until(server, 1 if index >= 10 - kept else 0)
            await client.close()
        for server in servers:
            await server.__aexit__()

    asyncio.run(check())


def test_connection_is_reused_and_counts_as_idle_once() -> None:
    async def check() -> None:
        async with Keeping() as one, Keeping() as two, Keeping() as three:
            with session(2) as client:
                for _ in range(5):
                    await get(client, one)
                    await get(client, two)
                assert (one.num_accepted, two.num_accepted) == (1, 1)
                await get(client, one)
                await get(client, three)  # the second is now idle for longest
                await until(two, 0)
                assert (len(one.open), len(three.open)) == (1, 1)
                await client.close()

    asyncio.run(check())


def test_connections_of_one_host_are_limited_too() -> None:
    async def check() -> None:
        async with Keeping() as server:
            with session(3) as client:
                await asyncio.gather(*(get(client, server) for _ in range(12)))
                await until(server, 3)
                num_accepted = server.num_accepted
                await asyncio.gather(*(get(client, server) for _ in range(3)))
                assert server.num_accepted == num_accepted
                await client.close()

    asyncio.run(check())


def test_connection_that_the_server_has_closed_is_replaced() -> None:
    async def check() -> None:
        async with Keeping() as server:
            with session(3) as client:
                await get(client, server)
                for writer in list(server.open):
                    writer.close()
                await asyncio.sleep(0.01)
                await get(client, server)
                assert server.num_accepted == 2
                await client.close()

    asyncio.run(check())


def test_tls_connections_that_are_broken_off_leave_no_descriptor_behind(tmp_path: Path) -> None:
    """A server that never confirms the end of a connection would keep its descriptor for half a minute."""
    authority = Authority(tmp_path, "authority")
    certificate = authority.certificate("shop")
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=_speak_tls, args=(listening, certificate, ended), daemon=True)
        thread.start()

        async def check() -> int:
            context = ssl.create_default_context(cafile=str(authority.path))
            connector = CappedConnector(10, LOOPBACK, ThreadedResolver())
            async with aiohttp.ClientSession(connector=connector) as client:
                before = num_open()
                for _ in range(12):
                    async with client.get(f"https://127.0.0.1:{port}/", ssl=context) as response:
                        response.close()  # as for an image that is too large
                await asyncio.sleep(0)
                return num_open() - before

        left = asyncio.run(check())
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert left <= 13, "12 of the server, which is in this process, too"


def _speak_tls(listening: socket.socket, certificate: Path, ended: threading.Event) -> None:
    """Sends the head of a response to every connection, and then neither reads nor closes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    opened = []
    with suppress(OSError):
        while not ended.is_set():
            connection, _ = listening.accept()
            secured = context.wrap_socket(connection, server_side=True)
            secured.recv(65_536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
            opened.append(secured)
    for each in opened:
        each.close()
