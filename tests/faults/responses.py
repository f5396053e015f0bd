"""Hostile and broken responses and links: endless, slow, lying, leading inside, and no HTTP at all."""

import gzip
import time
from collections.abc import Iterator

from catalog.images.statuses import Status
from tests.catalog.download.raw_server import Reply, response
from tests.catalog.images.sample_images import jpeg
from tests.faults.case import Case, case, link

MAX_BYTES = 3_000_000  # that the suite's downloads take of an image
OK, TIMEOUT, HTTP_ERROR, CONNECT_ERROR = Status.OK, Status.TIMEOUT, Status.HTTP_ERROR, Status.CONNECT_ERROR
INVALID_URL, BLOCKED, TOO_LARGE = Status.INVALID_URL, Status.BLOCKED_ADDRESS, Status.TOO_LARGE


def responses() -> list[Case]:
    """All of them."""
    return [*bodies(), *heads(), *redirects(), *links()]


def bodies() -> Iterator[Case]:
    head = b"HTTP/1.1 200 OK\r\n"
    length = b"Content-Length: %d\r\n\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield case("body without end", lambda: endless(head + b"\r\n", b"x" * 65_536), TOO_LARGE)
    yield case("chunked body without end", lambda: endless(chunked, b"10000\r\n" + b"x" * 65_536 + b"\r\n"), TOO_LARGE)
    yield case("body that admits to be huge", head + length % 10**12, TOO_LARGE)
    yield case("a byte now and then", lambda: drip(head + length % 10**6), TIMEOUT)
    yield case("headers a byte now and then", lambda: drip(b"HTTP/1.1 200 OK\r\nX: "), TIMEOUT)
    yield case("silence", lambda: None, TIMEOUT)
    yield case("silence in the middle of the body", lambda: stall(head + length % 5000 + jpeg()[:200]), TIMEOUT)
    yield case("body shorter than its length", head + length % 10**6 + jpeg(), CONNECT_ERROR)
    yield case("body longer than its length", head + length % len(jpeg()) + jpeg() + b"x" * 1000, OK, HTTP_ERROR)
    yield case("body that is not a chunk", chunked + b"ZZ\r\nabc\r\n", HTTP_ERROR, CONNECT_ERROR)
    yield case("chunk of a negative size", chunked + b"-5\r\nabc\r\n", HTTP_ERROR, CONNECT_ERROR)
    yield case("chunk of 16 exabytes", chunked + b"FFFFFFFFFFFFFFFF\r\nabc\r\n", HTTP_ERROR, CONNECT_ERROR, TIMEOUT)
    packed = gzip.compress(bytes(20_000_000))
    yield case("gzip bomb", response("200 OK", packed, "Content-Encoding: gzip"), TOO_LARGE)
    nested = gzip.compress(gzip.compress(bytes(20_000_000)))
    yield case("gzip in gzip", response("200 OK", nested, "Content-Encoding: gzip"), Status.NOT_AN_IMAGE)
    broken = response("200 OK", b"no gzip at all", "Content-Encoding: gzip")
    yield case("gzip that is none", broken, CONNECT_ERROR, HTTP_ERROR)


def heads() -> Iterator[Case]:
    yield case("header of 100 kB", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", HTTP_ERROR)
    many = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    yield case("twenty thousand headers", b"HTTP/1.1 200 OK\r\n" + many + b"\r\n", HTTP_ERROR, CONNECT_ERROR)
    yield case("garbage", b"\x00\x01\x02 nothing like HTTP \xff\r\n\r\n", HTTP_ERROR)
    yield case("HTTP/0.9", jpeg(), HTTP_ERROR, CONNECT_ERROR)
    for greeting in (
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"-ERR unknown command\r\n",
        b"ICY 200 OK\r\n",
    ):
        yield case(f"a server that greets {greeting[:-2].decode()!r}", greeting, HTTP_ERROR, CONNECT_ERROR)
    yield case("no reply", b"", CONNECT_ERROR)
    yield case("an end within the status", b"HTTP/1.1 20", CONNECT_ERROR, HTTP_ERROR)
    yield case("an end within the headers", b"HTTP/1.1 200 OK\r\nContent-Le", CONNECT_ERROR, HTTP_ERROR)
    nul = b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"
    yield case("a header with a NUL", nul, HTTP_ERROR, CONNECT_ERROR, Status.NOT_AN_IMAGE)
    negative = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"
    yield case("a negative length", negative, HTTP_ERROR, CONNECT_ERROR)
    two = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc"
    yield case("two lengths", two, HTTP_ERROR, CONNECT_ERROR, Status.NOT_AN_IMAGE)
    yield case(
        "promises without end",
        lambda: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        TIMEOUT,
        HTTP_ERROR,
        CONNECT_ERROR,
    )
    for status in (
        "204 No Content",
        "206 Partial Content",
        "304 Not Modified",
        "400 Bad Request",
        "418 Teapot",
        "999 No",
    ):
        yield case(f"status {status}", response(status), HTTP_ERROR)
    yield case("status 500", response("500 Oops"), HTTP_ERROR)
    yield case("status 403", response("403 Forbidden"), Status.HOST_REFUSED)
    yield case("status 410", response("410 Gone"), Status.GONE)
    yield case("status of four digits", response("2000 OK"), HTTP_ERROR)
    cookies = [f"Set-Cookie: a{number}={'x' * 200}" for number in range(20)]
    yield case("an image with many cookies", response("200 OK", jpeg(), *cookies), OK)


def redirects() -> Iterator[Case]:
    def to(target: str) -> bytes:
        return response("302 Found", b"", f"Location: {target}")

    yield case("redirect to itself", to("/redirect to itself".replace(" ", "%20")), Status.TOO_MANY_REDIRECTS)
    yield case("redirect and back", to("/redirect%20and%20forth"), Status.TOO_MANY_REDIRECTS)
    yield case("redirect and forth", to("/redirect%20and%20back"), Status.TOO_MANY_REDIRECTS)
    yield case("redirect ever deeper", to("/deeper/1"), Status.TOO_MANY_REDIRECTS)  # see `deeper`
    yield case("redirect with a body without end", lambda: endless(endless_redirect(), b"x" * 65_536), BLOCKED)
    yield case("redirect to 5,000 characters", to("http://shop.example/" + "a" * 5_000), INVALID_URL)
    split = response("302 Found", b"", "Location: /index.html\r\nLocation: file:///etc/passwd")
    yield case("redirect to two places", split, Status.REDIRECTED_HOME, INVALID_URL, HTTP_ERROR)
    targets = {
        "file:///etc/passwd": INVALID_URL,
        "gopher://127.0.0.1:25/_EHLO": INVALID_URL,
        "data:image/png;base64,AAAA": INVALID_URL,
        "javascript:alert(1)": INVALID_URL,
        "http://169.254.169.254/latest/meta-data/": BLOCKED,
        "http://[fd00:ec2::254]/latest/": BLOCKED,
        "http://[::1]/x": BLOCKED,
        "http://10.0.0.1/x": BLOCKED,
        "http://0x7f.1/x": INVALID_URL,
        "http://2130706433/x": INVALID_URL,
        "http://user:secret@127.0.0.1/x": INVALID_URL,
        "/": Status.REDIRECTED_HOME,
        "/index.html": Status.REDIRECTED_HOME,
        "http://[broken/x": INVALID_URL,
        "http://a..b/c": INVALID_URL,
    }
    for target, status in targets.items():
        yield case(f"redirect to {target}", to(target), status)
    yield case("redirect to nowhere", response("302 Found"), HTTP_ERROR)


def links() -> Iterator[Case]:
    for url in (
        *(
            "",
            "   ",
            "n/a",
            "image.jpg",
            "//shop.example/a.jpg",
            "http://",
            "http:///a.jpg",
            "ftp://shop.example/a.jpg",
        ),
        *("file:///etc/passwd", "javascript:alert(1)", "data:image/png;base64,AAAA", "http://127.1/a", "http://0/a"),
        *("http://shop.example:0/a.jpg", "http://shop.example:-1/a.jpg", "//", "\u2028", "C:\\images\\a.jpg"),
        *("http://shop.example:65536/a.jpg", "http://shop.example:x/a.jpg", "http://user:pw@shop.example/a.jpg"),
        *(
            "http://shop.example\\@169.254.169.254/",
            "http://shop.example/\r\nHost: inside",
            "http://a\0b/",
            "http://a..b/c",
        ),
        *("http://" + "a" * 64 + ".example/", "http://shop.example/" + "a" * 5_000),
    ):
        yield link(f"link {url[:60]!r}", url, INVALID_URL)
    for url in (
        "http://169.254.169.254/latest/",
        "http://[::1]/a",
        "http://192.168.1.1/a",
        "http://[::ffff:10.0.0.1]/a",
    ):
        yield link(f"link {url!r}", url, BLOCKED)
    yield link("link of a name that does not exist", "http://no-such-shop.invalid/a.jpg", Status.DNS_ERROR)
    yield link("link to a port where nobody listens", "http://127.0.0.1:9/a.jpg", CONNECT_ERROR)


def deeper(path: str) -> Reply:
    """The reply to `/deeper/N`: the next one is N + 1."""
    return [response("302 Found", b"", f"Location: /deeper/{int(path.removeprefix('/deeper/')) + 1}")]


def endless_redirect() -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n"


def endless(start: bytes, block: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield block


def drip(start: bytes) -> Iterator[bytes]:
    yield start
    while True:
        time.sleep(0.1)
        yield b"x"


def stall(start: bytes) -> Iterator[bytes]:
    yield start
    time.sleep(60)  # longer than anybody waits; the thread ends with the process
