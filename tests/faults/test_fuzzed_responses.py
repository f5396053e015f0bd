"""Generated responses and robots.txt end in documented statuses; what a fuzz has found stays as a case."""

from collections.abc import Iterator

import pytest

from catalog.images.statuses import Status
from tests.faults.fuzz_responses import CORRECT, Server, fuzz

NUM_EXAMPLES = 300  # some three seconds; `python -m tests.faults.fuzz_responses` goes on for longer

FOUND = {
    "ETag that no table can hold": b'HTTP/1.1 200 OK\r\nETag: "k\xe9y"\r\nContent-Length: 1\r\n\r\nx',
    "ETag that no header can send back": b"HTTP/1.1 200 OK\r\nETag: \xed\xa0\x80\r\nContent-Length: 1\r\n\r\nx",
    "Retry-After of a zone beyond numbers": b"HTTP/1.1 503 X\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +"
    + b"9" * 20
    + b"\r\n\r\n",
    "Retry-After of an hour beyond numbers": b"HTTP/1.1 429 X\r\nRetry-After: 01 Jan 2024 "
    + b"9" * 20
    + b":0:0\r\n\r\n",
    "Retry-After of a year beyond numbers": b"HTTP/1.1 429 X\r\nRetry-After: 01 Jan " + b"9" * 20 + b" 0:0:0\r\n\r\n",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as opened:
        yield opened


@pytest.mark.parametrize("name", FOUND)
def test_what_a_fuzz_has_found_stays_mended(server: Server, name: str) -> None:
    assert server.check(FOUND[name]).status in {Status.OK, Status.HTTP_ERROR, Status.HOST_REFUSED}


@pytest.mark.parametrize("response", CORRECT)
def test_correct_responses_from_which_the_fuzz_starts_are_correct(server: Server, response: bytes) -> None:
    fetched = server.check(response, b"User-agent: *\nDisallow: /private\n")
    assert fetched.http_status is not None
    assert fetched.status in {Status.OK, Status.HTTP_ERROR, Status.TOO_MANY_REDIRECTS}


def test_made_up_responses_end_in_statuses_that_are_foreseen(server: Server) -> None:
    fuzz(server, NUM_EXAMPLES)
