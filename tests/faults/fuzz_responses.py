"""Fuzzes the download with responses and robots.txt that a server makes up, over a real socket on loopback.

A response is a status line, headers and a body of hostile parts, or a correct response with bytes changed, cut out and
put in. Whatever it is, its link ends in a status that somebody foresaw, and its result can be recorded, stored and used
for the next request.

Usage: python -m tests.faults.fuzz_responses SECONDS
"""

import asyncio
import io
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import hypothesis
from hypothesis import strategies as st

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import UNKNOWN, Fetched, Validators
from catalog.download.fetching import Fetcher
from catalog.download.host_limiter import Politeness
from catalog.download.records import record_of, result_of
from catalog.download.settings import FetchSettings
from catalog.download.storable_results import storable_results
from catalog.images.outcomes import outcomes_table
from catalog.images.statuses import Status
from tests.catalog.download.raw_server import RawServer, Reply
from tests.catalog.network.test_guards import ScriptedResolver

BODY = b"the bytes of an image"
EXAMPLES_A_ROUND = 2_000
SETTINGS = FetchSettings(
    allowed_networks=("127.0.0.1",),
    honor_robots=True,
    max_attempts=1,
    max_redirects=1,
    max_bytes=100_000,
    politeness=Politeness(max_crawl_delay_s=0.001, max_retry_after_s=0.001),
)

NUMBERS = (b"0", b"5", b"21", b"-1", b"+5", b"1e9", b"nan", b"0x10", b"\xb2", b"9" * 30, b"1_0", b"5, 5")
DATES = st.tuples(
    st.sampled_from([b"Mon, ", b"", b"\xff, "]),
    st.sampled_from([b"01", b"31", b"99", b"-1", b"9" * 20]),
    st.sampled_from([b" Jan ", b" Feb ", b"-", b" "]),
    st.sampled_from([b"2024", b"0000", b"9999", b"9" * 20]),
    st.sampled_from([b" 00:00:00 ", b" 99:99:99 ", b" 23:59:60 ", b" :: ", b" " + b"9" * 20 + b":0:0 "]),
    st.sampled_from([b"GMT", b"+0000", b"-2359", b"+9999", b"+" + b"9" * 20, b"", b"\xe9"]),
).map(b"".join)
URLS = st.tuples(
    st.sampled_from([b"http://", b"https://", b"//", b"", b"file:", b"http:", b"\xff"]),
    st.sampled_from([b"", b"a.test", b"127.0.0.1", b"[::1]", b"[", b"0x7f.1", b"\xe9.test", b"xn--\xff", b"a:b@c"]),
    st.sampled_from([b"", b":80", b":0", b":99999", b":\xb2", b":-1"]),
    st.sampled_from([b"", b"/", b"/a.jpg", b"/\xff\xfe", b"/%", b"?\x1b", b"#", b"/" + b"a" * 5_000]),
).map(b"".join)
LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=20).map(lambda text: text.encode("latin-1"))
UNICODE = st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))
VALUE = st.one_of(
    *(st.sampled_from(NUMBERS), DATES, URLS, LATIN_1, UNICODE, st.binary(max_size=20)),
    st.sampled_from([b"", b"chunked", b"gzip", b"gzip, chunked", b"br", b"identity", b"close", b"keep-alive", b"h2c"]),
    st.sampled_from([b'"v1"', b'W/"v1"', b'"k\xe9y"', b'"\xed\xa0\x80"', b'"' + b"x" * 9_000 + b'"']),
)
NAME = st.one_of(
    st.sampled_from(
        [
            *(b"ETag", b"Last-Modified", b"Retry-After", b"Location", b"Content-Length", b"Content-Type"),
            *(b"Content-Encoding", b"Transfer-Encoding", b"Connection", b"Set-Cookie", b"X-Robots-Tag", b"Upgrade"),
            *(b"Content-Range", b"Date", b"Keep-Alive", b"Link", b"X"),
        ]
    ),
    st.binary(max_size=5),
)
LINE_END = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n "])
HEADER = st.tuples(NAME, st.sampled_from([b": ", b":", b" : ", b""]), VALUE, LINE_END).map(b"".join)
CODE = st.one_of(st.sampled_from([200, 200, 301, 302, 304, 404, 429, 503]), st.integers(-1, 1_000)).map(
    lambda code: str(code).encode()
)
VERSION = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/2", b"HTTP/9.9", b"http/1.1", b"ICY", b""])
STATUS_LINE = st.one_of(
    st.tuples(VERSION, st.just(b" "), CODE, st.just(b" "), LATIN_1, st.just(b"\r\n")).map(b"".join),
    st.binary(max_size=20),
)
CHUNK = st.one_of(
    st.binary(max_size=20).map(lambda data: b"%x\r\n" % len(data) + data + b"\r\n"),
    st.tuples(VALUE, st.just(b"\r\n"), st.binary(max_size=5)).map(b"".join),
    st.just(b"0\r\n\r\n"),
)
PAYLOAD = st.one_of(st.just(BODY), st.binary(max_size=40), st.lists(CHUNK, max_size=4).map(b"".join))
MADE_UP = st.tuples(STATUS_LINE, st.lists(HEADER, max_size=5).map(b"".join), st.just(b"\r\n"), PAYLOAD).map(b"".join)

# Correct but for one or two headers, so that they reach what reads them.
READ = st.one_of(
    st.tuples(st.sampled_from([b"Retry-After: ", b"Date: "]), st.one_of(DATES, st.sampled_from(NUMBERS), LATIN_1)),
    st.tuples(st.just(b"Location: "), st.one_of(URLS, LATIN_1, UNICODE)),
    st.tuples(st.sampled_from([b"ETag: ", b"Last-Modified: ", b"X-Robots-Tag: "]), st.one_of(VALUE, DATES)),
).map(lambda pair: b"".join(pair) + b"\r\n")
FRAMED = st.builds(
    lambda code, headers: b"HTTP/1.1 %s X\r\n%sContent-Length: 21\r\n\r\n%s" % (code, headers, BODY),
    st.sampled_from([b"200", b"302", b"304", b"429", b"503"]),
    st.lists(READ, min_size=1, max_size=2).map(b"".join),
)

CORRECT = (
    b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: 21\r\n\r\n' + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /b.jpg\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
)
CHANGE = st.tuples(st.integers(0, 200), st.integers(0, 5), st.one_of(st.binary(max_size=3), VALUE))


def changed(response: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The response with bytes at some places replaced by others."""
    for place, num_removed, added in changes:
        start = place % (len(response) + 1)
        response = response[:start] + added + response[start + num_removed :]
    return response


RESPONSE = st.one_of(MADE_UP, FRAMED, st.builds(changed, st.sampled_from(CORRECT), st.lists(CHANGE, max_size=3)))
DIRECTIVE = st.sampled_from(
    [
        *(b"User-agent", b"user agent", b"Disallow", b"Allow", b"Crawl-delay", b"Request-rate", b"Visit-time"),
        *(b"Sitemap", b"Host", b"#", b"\xff", b""),
    ]
)
PATTERN = st.one_of(
    VALUE,
    st.sampled_from([b"*", b"shelfsight", b"/", b"/a.jpg", b"/*.jpg$", b"1/1s", b"0800-1700", b"$", b"%", b"%ff"]),
)
ROBOTS_LINE = st.tuples(DIRECTIVE, st.sampled_from([b": ", b":", b" ", b"\t:"]), PATTERN).map(b"".join)
ROBOTS = st.one_of(
    st.just(b""),
    st.lists(
        st.tuples(ROBOTS_LINE, st.sampled_from([b"\n", b"\r\n", b"\x0b", b"\xe2\x80\xa8"])).map(b"".join), max_size=8
    ).map(b"".join),
)


class Server:
    """A server that replies with what is set, and the loop in which links to it are fetched."""

    def __init__(self) -> None:
        self.response, self.robots = CORRECT[0], b""
        self._server = RawServer(self._reply)
        self._runner = asyncio.Runner()
        self._problems: list[dict[str, Any]] = []

    def __enter__(self) -> "Server":
        self._server.__enter__()
        self._runner.get_loop().set_exception_handler(lambda loop, context: self._problems.append(context))
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.close()
        self._server.__exit__(*error)

    def _reply(self, path: str) -> Reply:
        if path == "/robots.txt":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.robots) + self.robots]
        return [self.response]

    def check(self, response: bytes, robots: bytes = b"") -> Fetched:
        """Fetches a link that leads to the response; raises AssertionError where it ends in anything unforeseen."""
        self.response, self.robots = response, robots
        url = f"{self._server.url}/a.jpg"
        fetched = self._runner.run(_fetch(url, UNKNOWN))
        assert fetched.status is not Status.INTERNAL_ERROR
        assert fetched.data is None or fetched.status is Status.OK
        result = DownloadResult(
            status=fetched.status, fetched=fetched.without_data(), image=None, fetched_at=datetime.now(UTC)
        )
        assert result_of(record_of(url, result), b"") == (url, result)
        assert storable_results({url: result}) == {url: result}
        outcomes_table([result.outcome("p:1", url, "shard-00000")]).write_parquet(io.BytesIO())
        if fetched.validators != UNKNOWN:
            assert self._runner.run(_fetch(url, fetched.validators)).status is not Status.INTERNAL_ERROR
        assert self._problems == []
        return fetched


async def _fetch(url: str, known: Validators) -> Fetched:
    async with Fetcher(SETTINGS, resolver=ScriptedResolver(["127.0.0.1"])) as fetcher:
        return await fetcher.fetch(url, known=known)


def fuzz(server: Server, num_examples: int, seed: int | None = None) -> None:
    """Checks so many responses; raises with the smallest one that fails."""

    @hypothesis.settings(
        max_examples=num_examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(RESPONSE, ROBOTS)
    def check(response: bytes, robots: bytes) -> None:
        server.check(response, robots)

    run: Callable[[], None] = check if seed is None else hypothesis.seed(seed)(check)
    run()


def main() -> None:
    """Fuzzes for some seconds, each round with another seed."""
    end_s = time.monotonic() + float(sys.argv[1])
    seed = int(time.time())
    num_rounds = 0
    with Server() as server:
        while time.monotonic() < end_s:
            fuzz(server, EXAMPLES_A_ROUND, seed + num_rounds)
            num_rounds += 1
    print(f"{num_rounds * EXAMPLES_A_ROUND:,} responses, none ended in anything unforeseen")  # noqa: T201 for whoever runs it


if __name__ == "__main__":
    main()
