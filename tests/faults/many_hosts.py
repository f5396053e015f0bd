"""A shop of any number of host names that keeps its connections open, and a download from it with few descriptors.

Usage: python -m tests.faults.many_hosts NUM_HOSTS NUM_DESCRIPTORS FOLDER

The shop is a process of its own, whose descriptors do not count; all names lead to it. The process that downloads is
limited, and prints what the links ended in and the most files that it had open at a time, as JSON.
"""

import asyncio
import json
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import polars as pl
from upath import UPath

from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.images.sample_images import jpeg

SERVER_DESCRIPTORS = 8_192
MODULE = "tests.faults.many_hosts"


def limit_descriptors(num: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (num if hard == resource.RLIM_INFINITY else min(num, hard), hard))


async def _serve() -> None:
    data = jpeg(40, 30)
    found = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(found)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 read by `shop`
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def shop() -> Iterator[int]:
    """The port of a shop on loopback, in a process of its own."""
    command = [sys.executable, "-m", MODULE, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def _download(num_hosts: int, num_descriptors: int, folder: str) -> None:
    from catalog.download.descriptors import num_open

    most, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.002):
            most = max(most, num_open())

    def here(host: str, port: object, *_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port or 0))]

    socket.getaddrinfo = here  # type: ignore[assignment]
    with shop() as port:
        rows = [(f"p:{index}", f"http://h{index}.test:{port}/a.jpg") for index in range(num_hosts)]
        products = pl.DataFrame(rows, schema=["product_id", "image_url"], orient="row")
        limit_descriptors(num_descriptors)
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            outcomes = download(products, UPath(folder), replace(SETTINGS, shard_rows=500))
        finally:
            ended.set()
            watching.join()
    statuses = dict(outcomes["status"].value_counts().iter_rows())
    print(json.dumps({"statuses": statuses, "most_open": most}))  # noqa: T201 read by the test


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        limit_descriptors(SERVER_DESCRIPTORS)
        asyncio.run(_serve())
    else:
        _download(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
