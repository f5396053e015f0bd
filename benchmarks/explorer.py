"""Explorer: pages over a store of a million products and 100,000 images, by a browser's requests on loopback.

make bench NAME=explorer
"""

import argparse
import http.client
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psutil

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.explorer_rows import COLORS, NUM_PARTNERS, ROOTS, WORDS, write_store
from benchmarks.peers import BENCH

FOLDER = BENCH / "explorer"
FIRST_IMAGES = 6  # of a page, which a browser requests at once
THUMBNAIL = re.compile(r'src="(/thumbnails/[^"]+)"')
START_S, BUILD_S = 60.0, 900.0


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=1_000)
    options = parser.parse_args()
    claims = measure(_store(options.rows, options.images), options.views, f"{options.rows:,} products")
    publish("explorer", claims)


def measure(store: Path, num_views: int, name: str) -> list[Claim]:
    """Views pages with two filters and their first images, then single thumbnails, in one server."""
    dice = random.Random(7)  # noqa: S311
    with _server(store) as (port, process):
        build_s = _first_page(port)
        addresses = _addresses(port)
        pages, firsts, memory = [], [], []
        for number in range(num_views):
            page_s, first_s = _view(port, _two_filters(dice))
            pages.append(page_s)
            firsts.append(first_s)
            if number % 10 == 9:
                memory.append(process.memory_info().rss / 2**20)
        thumbnails = [_get(port, dice.choice(addresses))[0] for _ in range(2 * num_views)]
        memory.append(process.memory_info().rss / 2**20)
    warm = statistics.median(memory[len(memory) // 10 : len(memory) // 5])
    late = statistics.median(memory[-len(memory) // 10 :])
    return [
        figure(f"{name}: build of the index at the first start", build_s, "s"),
        figure(f"{name}: catalog page with two filters, median", 1_000 * statistics.median(pages), "ms"),
        at_most(f"{name}: catalog page with two filters, p95", 1_000 * _p95(pages), 300, "ms"),
        at_most(f"{name}: the page and its first {FIRST_IMAGES} images, p95", 1_000 * _p95(firsts), 300, "ms"),
        at_most(f"{name}: thumbnail, p95", 1_000 * _p95(thumbnails), 40, "ms"),
        at_most(f"{name}: memory of the server, peak", max(memory), 1_024, "MiB"),
        at_most(f"{name}: growth of the memory in {num_views:,} views, after a tenth", late / warm, 1.1, "times"),
    ]


def _two_filters(dice: random.Random) -> dict[str, str]:
    """Two different filters of the page, and one of its orders."""
    partner = dice.randrange(NUM_PARTNERS)
    filters = {
        "partner": f"partner-{partner}",
        "delivery": f"partner-{partner}.feed-{dice.randrange(2)}",
        "category": str(1 + dice.randrange(ROOTS) * 329),
        "status": dice.choice(["ok", "gone", "timeout"]),
        "min_confidence": f"0.{dice.randrange(3, 9)}",
        "max_confidence": f"0.{dice.randrange(3, 9)}",
        "disagreement": "1",
        "text": dice.choice([*WORDS, *COLORS]),
        "new_since": f"2026-0{dice.randrange(1, 5)}-01",
        "has": dice.choice(["image", "label"]),
        "min_depth": "3",
    }
    chosen = dict(dice.sample(sorted(filters.items()), 2))
    return {**chosen, "sort": dice.choice(["value", "confidence", "confident", "new", "title"])}


def _view(port: int, filters: dict[str, str]) -> tuple[float, float]:
    """Seconds until the page, and until the first images of it."""
    started = time.perf_counter()
    page_s, content = _get(port, f"/catalog?{urlencode(filters)}")
    images = THUMBNAIL.findall(content.decode())[:FIRST_IMAGES]
    if images:
        with ThreadPoolExecutor(FIRST_IMAGES) as browser:
            list(browser.map(lambda address: _get(port, address), images))
    return page_s, time.perf_counter() - started


def _get(port: int, address: str) -> tuple[float, bytes]:
    """Seconds and content of a response; anything but a success ends the benchmark."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BUILD_S)
    connection.request("GET", address)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{address} responds {response.status}: {content[:400]!r}")
    return time.perf_counter() - started, content


def _first_page(port: int) -> float:
    """Seconds until the first catalog page, for which the index is built."""
    started = time.perf_counter()
    while True:
        try:
            _get(port, "/catalog")
        except RuntimeError as error:
            if "responds 503" not in str(error) or time.perf_counter() - started > BUILD_S:
                raise
            time.sleep(0.2)
        else:
            return time.perf_counter() - started


def _addresses(port: int) -> list[str]:
    """Addresses of thumbnails from all partners' pages."""
    found: list[str] = []
    for partner in range(NUM_PARTNERS):
        for page in range(1, 31):
            filters = {"partner": f"partner-{partner}", "has": "image", "sort": "title", "page": page}
            found += THUMBNAIL.findall(_get(port, f"/catalog?{urlencode(filters)}")[1].decode())
    return found


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


@contextmanager
def _server(store: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The command `shelfsight explore` over a store, on a free port, without an index."""
    shutil.rmtree(store / "explorer", ignore_errors=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    environment = {**os.environ, "SHELFSIGHT_EXPLORER_PORT": str(port)}
    command = [sys.executable, "-m", "shelfsight", "explore", "--store", str(store)]
    server = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port, server)
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at and server.poll() is None:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the explorer does not listen on port {port}")


def _store(num_rows: int, num_images: int) -> Path:
    """The generated store, made once."""
    store = FOLDER / f"store-{num_rows}-{num_images}"
    if not (store / "catalog.duckdb").exists():
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        write_store(store, num_rows, num_images)
    return store


if __name__ == "__main__":
    main()
