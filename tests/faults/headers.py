"""Hostile headers and status lines of responses: bytes beyond ASCII, numbers beyond all types, framing that lies."""

from collections.abc import Iterator

from catalog.images.statuses import Status
from tests.catalog.images.sample_images import jpeg
from tests.faults.case import Case, case

OK, HTTP_ERROR, CONNECT_ERROR, TIMEOUT = Status.OK, Status.HTTP_ERROR, Status.CONNECT_ERROR, Status.TIMEOUT
NO_RESPONSE = (HTTP_ERROR, CONNECT_ERROR)  # what is no HTTP is an error, with or without a status


def headers() -> list[Case]:
    """All of them."""
    return [*validators(), *retry_after(), *described(), *locations(), *status_lines(), *framing()]


def reply(body: bytes, *lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A response of exactly these lines, of which the server closes the connection."""
    return b"\r\n".join((status, b"Connection: close", *lines)) + b"\r\n\r\n" + body


def image(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """The same with an image and its length."""
    return reply(jpeg(), b"Content-Length: %d" % len(jpeg()), *lines, status=status)


def validators() -> Iterator[Case]:
    values = {
        "a Latin-1 letter": b'"k\xe9y"',
        "every byte beyond ASCII": b'"' + bytes(range(0x80, 0x100)) + b'"',
        "an unpaired surrogate in UTF-8": b'"\xed\xa0\x80"',
        "an emoji": '"\U0001f45f"'.encode(),
        "a line separator": '"\u2028"'.encode(),
        "control characters": b'"\x01\x1b[31m"',
        "a DEL": b'"\x7f"',
        "a tab": b'"a\tb"',
        "eight thousand characters": b'"' + b"x" * 8_000 + b'"',
        "nothing": b"",
    }
    for name in (b"ETag", b"Last-Modified"):
        for what, value in values.items():
            yield case(f"{name.decode()} of {what}", image(name + b": " + value), OK, *NO_RESPONSE)
    yield case("two names, one of them no text", image(b'ETag: "a"', b"ETag: \xff"), OK)


def retry_after() -> Iterator[Case]:
    values = (
        b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        b"Mon, 01 Jan 2024 99999999999:00:00 GMT",
        b"Mon, 01 Jan 2024 00:00:00 -2400",
        b"Mon, 31 Feb 2024 00:00:00 GMT",
        b"-1",
        b"nan",
        b"1e999",
        b"\xb2",  # a digit to some
        b"\xff\xfe",
        b",",
        b": : :",
        b"0 0 0 0 0 0 0 0",
        b"",
    )
    # None of them requests a wait: that would pause the host for the other cases.
    for value in values:
        busy = reply(b"", b"Content-Length: 0", b"Retry-After: " + value, status=b"HTTP/1.1 503 Busy")
        yield case(f"Retry-After {value[:60]!r}", busy, HTTP_ERROR, CONNECT_ERROR)
    for code, status in ((b"429", Status.HOST_REFUSED), (b"200", OK)):
        line = b"Retry-After: Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
        sent = image(line, status=b"HTTP/1.1 %s X" % code)
        yield case(f"Retry-After beyond numbers with {code.decode()}", sent, status)


def described() -> Iterator[Case]:
    for line in (
        b"Content-Type: \xff\xfe",
        b"Content-Type: image/jpeg; charset=\x80",
        b"Content-Type: image/jpeg; charset*=utf-8''%ff%fe",
        b"Content-Type: " + b"a/" * 3_000,
        b"Content-Type:",
        b"Content-Disposition: attachment; filename*=''%",
        b"Content-Range: bytes 0-99999999999999999999/5",
        b"Set-Cookie: \xff=\xfe; Expires=Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        b"Set-Cookie: a=b; Max-Age=" + b"9" * 5_000,
        b"Link: <\xff>; rel=\xfe",
        b"Date: \xe9",
        b"Age: -99999999999999999999",
        b"X-Robots-Tag: \xff: \xfe, \x80",
        b"Keep-Alive: timeout=99999999999999999999, max=-1",
        b"Alt-Svc: \xff",
        b"Content-Encoding: \xff",
        b"Content-Encoding: " + b"gzip, " * 500,
        b"Upgrade: h2c",
        b"\xe9\xe8: x",
        b": x",
        b"X\x00Y: x",
    ):
        yield case(f"header {line[:50]!r}", image(line), OK, *NO_RESPONSE)


def locations() -> Iterator[Case]:
    targets = {
        b"\xff\xfe": (Status.INVALID_URL, HTTP_ERROR),
        b"http://\xe9.invalid/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://\xed\xa0\x80.invalid/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://xn--\xff/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://xn--a.invalid/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://[fe80::1%25eth0]/a.jpg": (Status.INVALID_URL, Status.BLOCKED_ADDRESS),
        b"http://[::1%\xff]/a.jpg": (Status.INVALID_URL, Status.BLOCKED_ADDRESS),
        b"http://[v1.x]/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://a.invalid:99999999999999999999/": (Status.INVALID_URL,),
        b"http://a.invalid:\xb2/": (Status.INVALID_URL,),
        b"http://%00.invalid/a.jpg": (Status.INVALID_URL, Status.DNS_ERROR),
        b"http://" + b"a." * 2_000 + b"invalid/": (Status.INVALID_URL, HTTP_ERROR),
        b"?\x1b[31m": (Status.INVALID_URL, HTTP_ERROR),
        b"//": (Status.INVALID_URL, Status.REDIRECTED_HOME),
        b"#": (Status.INVALID_URL, Status.TOO_MANY_REDIRECTS),
    }
    for target, statuses in targets.items():
        found = reply(b"", b"Content-Length: 0", b"Location: " + target, status=b"HTTP/1.1 302 Found")
        yield case(f"redirect to bytes {target[:40]!r}", found, *statuses, Status.TOO_MANY_REDIRECTS, Status.GONE)


def status_lines() -> Iterator[Case]:
    for line in (
        b"HTTP/1.1 200 \xe9\xff",
        b"HTTP/1.1 200 \x1b[31m",
        b"HTTP/1.1 200",
        b"HTTP/1.1  200  OK",
        b"HTTP/1.1 \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90 OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 99999999999999999999 OK",
        b"HTTP/9.9 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/2 200",
        b"HTTP/1.1 200 OK\rX",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 099 Less",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 200 " + b"x" * 20_000,
    ):
        yield case(f"status line {line[:40]!r}", image(status=line), OK, *NO_RESPONSE)


def framing() -> Iterator[Case]:
    body = jpeg()
    for length in (b"+%d" % len(body), b"0x10", b"\xb2", b"5, 5", b"1_0", b"", b"9" * 5_000, b"%d " % len(body)):
        yield case(
            f"Content-Length {length[:30]!r}",
            reply(body, b"Content-Length: " + length),
            *(OK, *NO_RESPONSE, Status.TOO_LARGE, Status.CORRUPT, Status.NOT_AN_IMAGE),
        )
    chunk = b"%x\r\n" % len(body) + body + b"\r\n"
    chunked = b"Transfer-Encoding: chunked"
    ended = (OK, *NO_RESPONSE, Status.NOT_AN_IMAGE, Status.CORRUPT)
    for name, bytes_sent in {
        "an extension of 100 kB": reply(b"5;" + b"x" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n", chunked),
        "an extension of no text": reply(b"%x;\xff=\xfe\r\n" % len(body) + body + b"\r\n0\r\n\r\n", chunked),
        "a trailer of no text": reply(chunk + b"0\r\n\xff: \xfe\r\n\r\n", chunked),
        "trailers without end": reply(chunk + b"0\r\n" + b"X: y\r\n" * 20_000, chunked),
        "a size with an underscore": reply(b"1_0\r\n" + bytes(16) + b"\r\n0\r\n\r\n", chunked),
        "a size with a sign": reply(b"+5\r\nabcde\r\n0\r\n\r\n", chunked),
        "a size in full-width digits": reply(b"\xef\xbc\x95\r\nabcde\r\n0\r\n\r\n", chunked),
        "a size of a thousand zeros": reply(b"0" * 1_000 + chunk + b"0\r\n\r\n", chunked),
        "the coding twice": reply(chunk + b"0\r\n\r\n", b"Transfer-Encoding: chunked, chunked"),
        "gzip inside that is none": reply(chunk + b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked"),
        "an unknown coding": reply(chunk + b"0\r\n\r\n", b"Transfer-Encoding: \xff"),
        "a length as well": reply(chunk + b"0\r\n\r\n", chunked, b"Content-Length: 3"),
        "lines of LF only": reply(chunk.replace(b"\r\n", b"\n", 1) + b"0\n\n", chunked),
        "a second response behind it": reply(chunk + b"0\r\n\r\n" + image(), chunked),
    }.items():
        yield case(f"chunks with {name}", bytes_sent, *ended)
    yield case("headers folded over lines", reply(body, b"Content-Length:\r\n %d" % len(body)), *ended)
    yield case("headers of LF only", image().replace(b"\r\n", b"\n", 4), *ended)
    yield case("headers of CR only", image().replace(b"\r\n", b"\r", 4), *ended)
