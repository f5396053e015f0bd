"""Wrong certificates and broken TLS: a process that trusts our authority sends no request there."""

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl
import pytest

from tests.catalog.download.raw_server import RawServer, response
from tests.catalog.images.sample_images import jpeg
from tests.conftest import REPOSITORY
from tests.faults.tls_server import DAY, Authority, TlsServer, self_signed

STATUSES = {
    "good certificate": "ok",
    "self-signed certificate": "connect_error",
    "certificate of an authority that nobody knows": "connect_error",
    "expired certificate": "connect_error",
    "certificate that is not valid yet": "connect_error",
    "certificate of another host": "connect_error",
    "handshake that breaks off": "connect_error",
    "plain HTTP behind https": "connect_error",
    "redirect from a good certificate to an expired one": "connect_error",
}


@dataclass(frozen=True)
class Delivered:
    """The statuses of the links, and the requests that each server got over TLS."""

    statuses: dict[str, str]
    num_requests: dict[str, int]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    place = tmp_path_factory.mktemp("tls")
    known, unknown = Authority(place, "known"), Authority(place, "unknown")
    image = response("200 OK", jpeg())
    with ExitStack() as stack:
        servers = {
            "good certificate": TlsServer(known.certificate("good"), image),
            "self-signed certificate": TlsServer(self_signed(place), image),
            "certificate of an authority that nobody knows": TlsServer(unknown.certificate("foreign"), image),
            "expired certificate": TlsServer(known.certificate("expired", start=-2 * DAY, end=-DAY / 2), image),
            "certificate that is not valid yet": TlsServer(known.certificate("early", start=DAY, end=2 * DAY), image),
            "certificate of another host": TlsServer(known.certificate("other", host="127.0.0.2"), image),
            "handshake that breaks off": TlsServer(None, image),
        }
        ports = {name: stack.enter_context(server).port for name, server in servers.items()}
        plain = stack.enter_context(RawServer(lambda _: [image]))
        ports["plain HTTP behind https"] = plain.port
        to_expired = response("302 Found", b"", f"Location: https://127.0.0.1:{ports['expired certificate']}/a.jpg")
        name = "redirect from a good certificate to an expired one"
        servers[name] = TlsServer(known.certificate("redirecting"), to_expired)
        ports[name] = stack.enter_context(servers[name]).port
        links = [f"https://127.0.0.1:{port}/a.jpg" for port in ports.values()]
        wanted = pl.DataFrame({"product_id": list(ports), "image_url": links})
        wanted.write_parquet(place / "products.parquet")
        command = [sys.executable, "-m", "tests.catalog.download.download_until_killed"]
        subprocess.run(
            [*command, str(place / "products.parquet"), str(place / "store")],
            cwd=REPOSITORY,
            env={**os.environ, "SSL_CERT_FILE": str(known.path)},
            check=True,
        )
    outcomes = pl.read_parquet(place / "store" / "outcomes" / "*.parquet")
    return Delivered(
        statuses=dict(outcomes.select("product_id", "status").iter_rows()),
        num_requests={name: server.num_requests for name, server in servers.items()},
    )


@pytest.mark.parametrize("name", STATUSES)
def test_it_ends_in_its_status(delivered: Delivered, name: str) -> None:
    assert delivered.statuses[name] == STATUSES[name]


def test_nothing_is_asked_of_a_server_that_is_not_who_it_should_be(delivered: Delivered) -> None:
    requested = {name for name, num in delivered.num_requests.items() if num}
    assert requested == {"good certificate", "redirect from a good certificate to an expired one"}
