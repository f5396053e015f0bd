"""The demo's shop has the faults of a real catalog, at their rates, and closes quietly."""

import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from catalog.network.guards import Guard, InvalidUrlError
from demo.faults import RATES, RETRY_AFTER_S, Fault, bomb, fault_of, image_link
from demo.shop import Shop
from tests.catalog.images.sample_images import jpeg
from tests.patience import PATIENCE_S

JPEG = jpeg()
RECOVERABLE = {Fault.FLAKY, Fault.THROTTLED}


def only(fault: Fault) -> Callable[[str], Fault | None]:
    return lambda image_id: fault


def get(url: str) -> tuple[int, bytes, str]:
    """Status, body and Content-Type of one request, redirects followed."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:  # noqa: S310 our own
            return response.status, response.read(), response.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers["Content-Type"]


def test_the_published_rates_hold_within_sampling_error() -> None:
    num_links = 20_000
    for seed in (1, 2):
        counts = Counter(fault_of(str(index), seed) for index in range(num_links))
        assert counts[Fault.INVALID_LINK] / num_links == pytest.approx(0.01, abs=0.0025)
        lost = num_links - counts[None] - counts[Fault.INVALID_LINK] - sum(counts[fault] for fault in RECOVERABLE)
        assert lost / num_links == pytest.approx(0.12, abs=0.007)
        for fault, rate in RATES.items():
            assert counts[fault] / num_links == pytest.approx(rate, abs=4 * (rate / num_links) ** 0.5), fault


def test_the_published_rates_are_one_and_twelve_per_cent() -> None:
    lost = set(Fault) - {Fault.INVALID_LINK} - RECOVERABLE
    assert RATES[Fault.INVALID_LINK] == 0.01
    assert sum(RATES[fault] for fault in lost) == pytest.approx(0.12)
    assert set(RATES) == set(Fault)


def test_a_fault_is_fixed_by_id_and_seed() -> None:
    ids = [str(index) for index in range(2000)]
    assert [fault_of(each, 7) for each in ids] == [fault_of(each, 7) for each in ids]
    assert [fault_of(each, 7) for each in ids] != [fault_of(each, 8) for each in ids]


def test_a_link_is_invalid_exactly_where_that_is_its_fault() -> None:
    for index in range(3000):
        link = image_link("http://127.0.0.1:8600", str(index), seed=3)
        if fault_of(str(index), 3) is Fault.INVALID_LINK:
            with pytest.raises(InvalidUrlError):
                Guard().check_url(link)
        else:
            assert link == f"http://127.0.0.1:8600/p/{index}.jpg"


def test_an_image_without_fault_is_served_as_it_is() -> None:
    with Shop({"a/b ü": JPEG}.get, faults=lambda image_id: None) as shop:
        assert get(image_link(shop.url, "a/b ü", seed=1)) == (200, JPEG, "image/jpeg")
        assert get(f"{shop.url}/p/unknown.jpg")[0] == 404
        assert get(f"{shop.url}/elsewhere")[0] == 404
        assert get(shop.url)[0] == 200
        assert shop.requests.total() == 4
        assert not shop.faults


@pytest.mark.parametrize(
    ("fault", "code", "body_starts"),
    [
        (Fault.NOT_FOUND, 404, b"<!doctype"),
        (Fault.GONE, 410, b"<!doctype"),
        (Fault.HTML, 200, b"<!doctype"),
        (Fault.REFUSED, 429, b""),
        (Fault.BROKEN, 500, b""),
        (Fault.BOMB, 200, b"\x89PNG"),
    ],
)
def test_faults_are_what_they_are_called(fault: Fault, code: int, body_starts: bytes) -> None:
    with Shop({"a": JPEG}.get, faults=only(fault)) as shop:
        for times in (1, 2):
            response = get(f"{shop.url}/p/a.jpg")
            assert response[0] == code
            assert response[1].startswith(body_starts)
            assert shop.faults == {fault: times}


def test_a_redirect_home_ends_at_the_home_page() -> None:
    with Shop({"a": JPEG}.get, faults=only(Fault.HOME)) as shop:
        assert get(f"{shop.url}/p/a.jpg") == get(f"{shop.url}/")


def test_a_truncated_image_is_half_of_it() -> None:
    with Shop({"a": JPEG}.get, faults=only(Fault.TRUNCATED)) as shop:
        assert get(f"{shop.url}/p/a.jpg") == (200, JPEG[: len(JPEG) // 2], "image/jpeg")


@pytest.mark.parametrize(("fault", "code"), [(Fault.FLAKY, 500), (Fault.THROTTLED, 429)])
def test_a_fault_that_fails_once_succeeds_afterward(fault: Fault, code: int) -> None:
    with Shop({"a": JPEG, "b": JPEG}.get, faults=only(fault)) as shop:
        assert [get(f"{shop.url}/p/{each}.jpg")[0] for each in "aabba"] == [code, 200, code, 200, 200]


def test_a_throttled_response_has_retry_after() -> None:
    with Shop({"a": JPEG}.get, faults=only(Fault.THROTTLED)) as shop:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{shop.url}/p/a.jpg", timeout=PATIENCE_S)  # noqa: S310 our own
        with caught.value as error:
            assert error.headers["Retry-After"] == str(RETRY_AFTER_S)


def test_the_bomb_is_a_valid_image_of_that_size() -> None:
    data = bomb()
    assert len(data) < 250_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(BytesIO(data))
    with Image.OPEN["PNG"][0](BytesIO(data), "") as opened:
        assert opened.size == (40_000, 40_000)
        opened.verify()


def connect(shop: Shop, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", shop.port), timeout=PATIENCE_S)
    connection.sendall(request)
    return connection


def test_the_shop_closes_at_once_and_quietly_though_connections_are_stalled() -> None:
    with Shop({"a": JPEG}.get, faults=only(Fault.STALL)) as shop:
        stalled = [connect(shop, b"GET /p/a.jpg HTTP/1.1\r\nHost: shop\r\n\r\n") for _ in range(20)]
        assert stalled[-1].recv(100).startswith(b"HTTP/1.1 200 OK")
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("request_", [b"POST / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"\x16\x03\x01\r\n\r\n"])
def test_a_malformed_request_gets_400(request_: bytes) -> None:
    with Shop({}.get) as shop, connect(shop, request_) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_requests_on_one_connection_get_responses_in_order() -> None:
    with Shop({}.get) as shop, connect(shop, b"GET / HTTP/1.1\r\n\r\nGET /no HTTP/1.1\r\n\r\n") as connection:
        received = b""
        while received.count(b"HTTP/1.1") < 2:
            received += connection.recv(10_000)
        assert received.index(b"200 OK") < received.index(b"404 Not Found")


def test_an_address_in_use_is_an_error() -> None:
    with Shop({}.get) as shop, pytest.raises(OSError, match=f"cannot open at http://127.0.0.1:{shop.port}"):
        Shop({}.get, port=shop.port).__enter__()
