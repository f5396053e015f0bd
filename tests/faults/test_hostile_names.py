"""Names that resolve to what they should not, at once or later: one delivery, and a server inside that none reaches."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.download.delivery import download_delivery
from catalog.download.settings import FetchSettings
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.images.sample_images import jpeg

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"  # the first is allowed, as a public address would be
SETTINGS = FetchSettings(
    allowed_networks=(OUTSIDE,), connect_timeout_s=2.0, idle_timeout_s=2.0, timeout_s=4.0, max_attempts=1
)
NEVER_S = 6.0  # longer than an image's time
# What each name resolves to, reply after reply, the last one for ever; an error is raised.
RESPONSES: dict[str, list[list[str] | Exception]] = {
    "good.example": [[OUTSIDE]],
    "inside.example": [[INSIDE]],
    "rebinding.example": [[OUTSIDE], [INSIDE]],
    "mixed.example": [[INSIDE, "10.0.0.1", OUTSIDE, "169.254.169.254"]],
    "metadata.example": [["169.254.169.254"]],
    "unspecified.example": [["0.0.0.0"]],  # noqa: S104 nothing is bound
    "six.example": [["::1"]],
    "mapped.example": [["::ffff:127.0.0.2"]],
    "link-local.example": [["fe80::1"]],
    "failing.example": [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")],
    "xn--bcher-kva.example": [[OUTSIDE]],
}
STATUSES = {
    "http://good.example/a": {"ok"},
    "http://inside.example/a": {"blocked_address"},
    "http://rebinding.example/a": {"ok"},  # checked and connected to by one and the same reply
    "http://mixed.example/a": {"ok"},
    "http://metadata.example/a": {"blocked_address"},
    "http://unspecified.example/a": {"blocked_address"},
    "http://six.example/a": {"blocked_address"},
    "http://mapped.example/a": {"blocked_address"},
    "http://link-local.example/a": {"blocked_address"},
    "http://failing.example/a": {"dns_error"},
    "http://silent-1.example/a": {"dns_error"},
    "http://silent-2.example/a": {"dns_error"},
    "http://silent-3.example/a": {"dns_error"},
    "http://b\u00fccher.example/a": {"ok"},
    "http://xn--bcher-kva.example/a": {"ok"},
    "http://xn--a\u00fc.example/a": {"invalid_url", "dns_error"},
    "http://xn--.example/a": {"invalid_url", "dns_error"},
    "http://\U0001f45f.example/a": {"invalid_url", "dns_error"},
    "http://g\u043eod.example/a": {"dns_error"},  # a Cyrillic letter
    "http://good.example./a": {"dns_error", "ok"},
    "http://GOOD.example/a": {"ok"},
    "http://-.example/a": {"invalid_url", "dns_error"},
    "http://good.example/to/inside.example": {"blocked_address"},
    "http://good.example/to/metadata.example": {"blocked_address"},
    "http://good.example/to/127.0.0.2": {"blocked_address"},
    "http://good.example/to/good.example": {"ok"},
}


@dataclass(frozen=True)
class Delivered:
    """The statuses of the links, and the numbers of look-ups by name and of requests to the server inside."""

    statuses: dict[str, str]
    lookups: Counter[str]
    num_inside: int


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    store, lookups = tmp_path_factory.mktemp("names"), Counter[str]()
    image = [response("200 OK", jpeg())]

    def look_up(host: str, port: int | None, **options: int) -> list[tuple[object, ...]]:
        """Replaces `socket.getaddrinfo` by a hostile name server."""
        if host.startswith("silent"):
            time.sleep(NEVER_S)
        replies = RESPONSES.get(host, [socket.gaierror(socket.EAI_NONAME, "Name or service not known")])
        reply = replies[min(lookups[host], len(replies) - 1)]
        lookups[host] += 1
        if isinstance(reply, Exception):
            raise reply
        return [
            (socket.AF_INET6, options["type"], 6, "", (each, port or 0, 0, 0))
            if ":" in each
            else (socket.AF_INET, options["type"], 6, "", (each, port or 0))
            for each in reply
        ]

    with RawServer(lambda path: redirect(path) or image) as outside:

        def redirect(path: str) -> Reply:
            host = path.removeprefix("/to/")
            location = f"Location: http://{host}:{outside.port}/a"
            return None if host == path else [response("302 Found", b"", location)]

        with RawServer(lambda _: image, INSIDE, outside.port) as inside, pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", look_up)
            links = [link.replace(".example", ".example:PORT", 1).replace(":PORT.", ".:PORT") for link in STATUSES]
            links = [link.replace("PORT", str(outside.port)) for link in links]
            wanted = pl.DataFrame({"product_id": list(STATUSES), "image_url": links})
            places = {"images": UPath(store / "images"), "outcomes": UPath(store / "outcomes")}
            outcomes = download_delivery(wanted, **places, settings=SETTINGS)
    yield Delivered(
        statuses=dict(outcomes.select("product_id", "status").iter_rows()),
        lookups=lookups,
        num_inside=inside.requests.total(),
    )


@pytest.mark.parametrize("link", STATUSES)
def test_it_ends_in_its_status(delivered: Delivered, link: str) -> None:
    assert delivered.statuses[link] in STATUSES[link]


def test_the_server_inside_gets_no_request(delivered: Delivered) -> None:
    assert delivered.num_inside == 0


def test_what_was_checked_is_what_is_connected_to(delivered: Delivered) -> None:
    assert delivered.lookups["rebinding.example"] == 1


@pytest.mark.parametrize("reply", [[], UnicodeError("label empty or too long")], ids=["nothing", "no system error"])
def test_a_resolver_that_breaks_its_contract_ends_no_delivery(
    reply: list[str] | Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: object, **__: object) -> list[str]:
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    wanted = pl.DataFrame({"product_id": ["a"], "image_url": ["http://shop.example/a"]})
    places = {"images": UPath(tmp_path / "images"), "outcomes": UPath(tmp_path / "outcomes")}
    assert download_delivery(wanted, **places, settings=SETTINGS)["status"].to_list() == ["dns_error"]
