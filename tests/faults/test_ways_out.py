"""Ways out: all that partners, links and settings name is requested through one guard, at every hop, and no other way.

Every way out is taken to addresses inside, while every connection that this process tries to make is watched.
`test_clients.py` has the modules that can open a connection at all.
"""

import asyncio
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from catalog.download.fetching import Fetcher
from catalog.download.settings import FetchSettings
from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.local_copies import local_copy
from catalog.feeds.sources import FeedFile
from catalog.network.http_files import guard_fsspec, open_filesystem
from resources.alerts import Alerts
from resources.pending_alerts import Alert
from resources.settings import variable_of
from shelfsight.cli.image_inputs import ImageSources
from shelfsight.cli.image_loading import load_images
from shelfsight.cli.init_taxonomy import GOOGLE, taxonomy_text
from tests.catalog.download.raw_server import RawServer, Reply, response

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"  # the first is allowed, as a public address would be
PRIVATE = "known-to-the-server-inside-alone"
LIMITS = {"timeout_s": 2.0, "connect_timeout_s": 1.0, "idle_timeout_s": 1.0, "max_attempts": 1}
SETTINGS = FetchSettings(allowed_networks=(OUTSIDE,), **LIMITS)  # type: ignore[arg-type]
WEBHOOK = partial(Alerts, allowed_networks=OUTSIDE)
ACCESS = FeedAccess(allowed_networks=(OUTSIDE,), timeout_s=2.0, idle_s=1.0)
# Where a way out must not lead, as a host; those of `.example` are resolved by a hostile name server.
TARGETS = {
    "a private address": INSIDE,
    "mapped to IPv6": f"[::ffff:{INSIDE}]",
    "mapped to IPv6 in hexadecimal": "[::ffff:7f00:2]",
    "compatible with IPv6": f"[::{INSIDE}]",
    "through NAT64": "[64:ff9b::7f00:2]",
    "through a local NAT64": "[64:ff9b:1::7f00:2]",
    "through 6to4": "[2002:7f00:2::]",
    "metadata of most clouds": "169.254.169.254",
    "metadata through NAT64": "[64:ff9b::a9fe:a9fe]",
    "metadata through 6to4": "[2002:a9fe:a9fe::]",
    "metadata through ISATAP": "[2a00:1450::5efe:a9fe:a9fe]",
    "metadata of AWS in IPv6": "[fd00:ec2::254]",
    "metadata of Oracle": "192.0.0.192",
    "metadata of Alibaba": "100.100.100.200",
    "the host's agent of Azure": "168.63.129.16",
    "the same through NAT64": "[64:ff9b::a83f:8110]",
    "a name of a private address": "inside.example",
    "a name of a mapped address": "mapped.example",
    "a name of metadata": "metadata.example",
    "a name of Azure's agent": "azure.example",
    "every address": "0.0.0.0",  # noqa: S104 an address to refuse
    "in one number": "2130706434",
    "in hexadecimal": "0x7f.0.0.2",
    "in octal": "0177.0.0.2",
    "shortened": "127.2",
}
NAMES = {
    "inside.example": INSIDE,
    "mapped.example": f"::ffff:{INSIDE}",
    "metadata.example": "169.254.169.254",
    "azure.example": "168.63.129.16",
    "rebinding.example": INSIDE,  # at every look-up but the first
}


def _outcome(call: Callable[[], Any]) -> str:
    """The text that a call returns or fails with, as a person would see it, and nothing of what is behind it."""
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__} {error}"


def _copied(url: str) -> str:
    with local_copy(FeedFile.at_url("hansen", url, ACCESS)) as copy:
        return Path(copy.path).read_text()


def _fetched(urls: Sequence[str], settings: FetchSettings = SETTINGS) -> list[str]:
    async def fetch() -> list[str]:
        async with Fetcher(settings) as fetcher:
            found = await asyncio.gather(*map(fetcher.fetch, urls))
        return [f"{each.status} {each.data!r}" for each in found]

    return asyncio.run(fetch())


def _classified(urls: Sequence[str]) -> list[str]:
    async def load() -> list[str]:
        return [f"{each.status} {each.data!r}" async for each in load_images(ImageSources(arguments=urls), SETTINGS)]

    return asyncio.run(load())


def _taxonomy(url: str) -> str:
    return taxonomy_text(GOOGLE, kept=Path("nowhere/taxonomy.txt"), own_paths=[], url=url)


def _with_chain(url: str) -> str:
    filesystem, path = open_filesystem(f"simplecache::{url}", [OUTSIDE], {"timeout_s": 2.0, "idle_s": 1.0})
    return str(filesystem.cat(path))


def _by_fsspec(url: str) -> str:
    guard_fsspec()
    with fsspec.open(url, allowed_networks=(OUTSIDE,), timeout_s=2.0, idle_s=1.0) as file:
        return str(file.read())


def one_by_one(way: Callable[[str], Any]) -> Callable[[Sequence[str]], list[str]]:
    return lambda urls: [_outcome(lambda url=url: way(url)) for url in urls]  # type: ignore[misc]


WAYS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "the version of a feed": one_by_one(lambda url: FeedFile.at_url("hansen", url, ACCESS).stamp()),
    "a feed": one_by_one(_copied),
    "a feed through a chain of file systems": one_by_one(_with_chain),
    "a file of fsspec": one_by_one(_by_fsspec),
    "images": _fetched,
    "robots.txt": lambda urls: _fetched(urls, FetchSettings(allowed_networks=(OUTSIDE,), honor_robots=True, **LIMITS)),  # type: ignore[arg-type]
    "classify": _classified,
    "the taxonomy": one_by_one(_taxonomy),
    "the webhook": one_by_one(lambda url: WEBHOOK(webhook=url).post(Alert(id="1", text="text"))),
}

_connected: list[tuple[str, int]] | None = None  # what this process tries to connect to, while a test watches


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _connected is not None and isinstance(arguments[1], tuple):
        _connected.append(arguments[1][:2])


sys.addaudithook(_watch)  # it stays for the life of the process, so it does nothing unless a test watches


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[RawServer, RawServer]]:
    """A server outside and one inside, on the same port, and a name server that is hostile."""
    global _connected  # noqa: PLW0603 the audit hook has no other way
    lookups = Counter[str]()
    monkeypatch.setenv(variable_of("allowed_networks"), OUTSIDE)
    monkeypatch.chdir(tmp_path)

    def look_up(host: Any, port: Any, *_: int, **options: int) -> list[tuple[object, ...]]:
        name, kind = os.fsdecode(host), options.get("type", socket.SOCK_STREAM)
        lookups[name] += 1
        address = OUTSIDE if name == "rebinding.example" and lookups[name] == 1 else NAMES.get(name)
        if address is None:  # disguised addresses are resolved as the system does it
            try:
                address = socket.inet_ntoa(socket.inet_aton(name))
            except OSError:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        with suppress(ValueError, TypeError):
            port = int(port)
        if ":" in address:
            return [(socket.AF_INET6, kind, 6, "", (address, port, 0, 0))]
        return [(socket.AF_INET, kind, 6, "", (address, port))]

    def reply(path: str) -> Reply:
        host = path.removeprefix("/to/")
        if host == path:
            return [response("200 OK", b"public")]
        return [response("302 Found", b"", f"Location: http://{host}:{outside.port}/inside.tsv")]

    with RawServer(reply) as outside:
        private = [response(f"500 {PRIVATE}", PRIVATE.encode(), f"Location: {PRIVATE}")]
        with RawServer(lambda _: private, INSIDE, outside.port) as inside:
            monkeypatch.setattr(socket, "getaddrinfo", look_up)
            _connected = []
            yield outside, inside
            _connected = None


def connected_on(port: int) -> set[str]:
    """The addresses that this process tried to connect to, on the port of the servers."""
    return {address for address, used in _connected or () if used == port}


@pytest.mark.parametrize("is_redirected", [False, True], ids=["directly", "by a redirect"])
@pytest.mark.parametrize("way", WAYS)
def test_it_leads_to_no_address_inside(servers: tuple[RawServer, RawServer], way: str, is_redirected: bool) -> None:
    outside, inside = servers
    hosts = dict(zip(TARGETS.values(), TARGETS, strict=True))
    urls = [
        f"http://{OUTSIDE}:{outside.port}/to/{host}" if is_redirected else f"http://{host}:{outside.port}/inside.tsv"
        for host in hosts
    ]
    outcomes = WAYS[way](urls)
    assert len(outcomes) == len(urls)
    for target, outcome in zip(hosts.values(), outcomes, strict=True):
        assert PRIVATE not in outcome, target
    assert inside.requests.total() == 0
    assert connected_on(outside.port) == ({OUTSIDE} if is_redirected else set())


@pytest.mark.parametrize("way", WAYS)
def test_it_leads_to_an_address_that_is_allowed(servers: tuple[RawServer, RawServer], way: str) -> None:
    outside, _ = servers
    WAYS[way]([f"http://{OUTSIDE}:{outside.port}/public.tsv"])
    assert outside.requests.total() > 0


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(
    servers: tuple[RawServer, RawServer], way: str
) -> None:
    outside, inside = servers
    WAYS[way]([f"http://rebinding.example:{outside.port}/public.tsv"] * 2)
    assert connected_on(outside.port) == {OUTSIDE}
    assert inside.requests.total() == 0
