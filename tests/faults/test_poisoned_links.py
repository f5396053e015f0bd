"""A link whose response or result breaks the program ends by itself: its delivery arrives, then and ever after."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import polars as pl
import pytest
from upath import UPath

from catalog.download import journals
from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Fetched, Validators
from catalog.download.fetching import Fetcher
from catalog.download.storable_results import storable_results
from catalog.images.decoders import Decoders
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.download.raw_server import RawServer, Reply
from tests.catalog.download.shop_deliveries import check_complete, good, image
from tests.faults.headers import reply

POISONED = "/p/p3.jpg"
NAMES = {
    "a Latin-1 letter": b'"k\xe9y"',
    "an unpaired surrogate": b'"\xed\xa0\x80"',
    "an escape sequence": b'"\x1b]0;owned\x07"',
    "half of a UTF-8 letter": b'"\xc3"',
    "bytes beyond UTF-8": b'"\xf8\x88\x80\x80\x80\xff"',
}
QUICK = replace(SETTINGS, max_attempts=1)


@contextmanager
def shop(*lines: bytes) -> Iterator[RawServer]:
    """A shop of healthy images, of which the poisoned one has further headers."""

    def respond(path: str) -> Reply:
        data = image(path[3:-4])
        more = lines if path == POISONED else ()
        return [reply(data, b"Content-Length: %d" % len(data), *more)]

    with RawServer(respond) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


@pytest.mark.parametrize("header", [b"ETag", b"Last-Modified"])
@pytest.mark.parametrize("name", NAMES)
def test_name_of_a_version_that_no_table_can_hold_costs_nothing(folder: UPath, header: bytes, name: str) -> None:
    with shop(header + b": " + NAMES[name]) as server:
        wanted = good(server, 8)
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        assert set(outcomes["status"]) == {"ok"}
        assert outcomes["etag"].null_count() == outcomes["last_modified"].null_count() == 8
        assert download(wanted, folder).equals(outcomes)
        assert server.requests.total() == 8
        # A refresh sends the names back: none that no header may have.
        where = {"images": folder / "images", "outcomes": folder / "outcomes"}
        again = download_delivery(wanted, **where, settings=SETTINGS, options=DownloadOptions(refresh=True))
        assert set(again["status"]) == {"ok"}


def test_names_that_are_plain_are_kept_and_sent_back(folder: UPath) -> None:
    with shop(b'ETag: W/"v1"', b"Last-Modified: Wed, 01 May 2024 12:00:00 GMT") as server:
        wanted = good(server, 4)
        download(wanted, folder)
        where = {"images": folder / "images", "outcomes": folder / "outcomes"}
        download_delivery(wanted, **where, settings=SETTINGS, options=DownloadOptions(refresh=True))
        assert any('If-None-Match: W/"v1"\r\n' in request for request in server.headers)


def encoding_error() -> Exception:
    return UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed")


UNFORESEEN: dict[str, Callable[[], Exception]] = {
    "a missing key": lambda: KeyError("x"),
    "a number too large": lambda: OverflowError("int too large"),
    "a text that cannot be encoded": encoding_error,
    "a recursion too deep": lambda: RecursionError("maximum recursion depth exceeded"),
    "no memory": MemoryError,
    "a fault of this program": lambda: AttributeError("'NoneType' object has no attribute 'x'"),
    "an assertion": AssertionError,
    "a message that controls terminals": lambda: ValueError("\x1b]0;owned\x07\udce9"),
}


def check_one_fails(wanted: pl.DataFrame, folder: UPath) -> None:
    """Downloads eight links, of which one ends in an error that nobody foresaw, and no other in any."""
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert statuses_of(outcomes) == {"ok": 7, "internal_error": 1}


@pytest.mark.parametrize("name", UNFORESEEN)
def test_unforeseen_error_of_fetching_ends_one_link_and_passes(
    folder: UPath, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = Fetcher._request

    async def broken(self: Fetcher, fetch: object, host: object) -> object:
        if str(fetch.url).endswith(POISONED):  # type: ignore[attr-defined]
            raise UNFORESEEN[name]()
        return await request(self, fetch, host)  # type: ignore[arg-type]

    with shop() as server:
        wanted = good(server, 8)
        with monkeypatch.context() as patched:
            patched.setattr(Fetcher, "_request", broken)
            check_one_fails(wanted, folder)
        assert caplog.text.isascii()
        assert "\x1b" not in caplog.text
        assert set(download(wanted, folder)["status"]) == {"ok"}
        assert server.requests.total() == 8


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_shortage_of_the_machine_is_no_failure_of_the_host(
    folder: UPath, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short(self: Fetcher, fetch: object, host: object) -> object:
        raise aiohttp.ClientOSError(number, "there is none left")

    with shop() as server:
        wanted = good(server, 30)  # more than the failures that pause a host
        with monkeypatch.context() as patched:
            patched.setattr(Fetcher, "_request", short)
            assert statuses_of(download(wanted, folder, QUICK)) == {"internal_error": 30}
        assert set(download(wanted, folder)["status"]) == {"ok"}


@pytest.mark.parametrize("name", UNFORESEEN)
def test_unforeseen_error_of_recording_ends_one_link_and_passes(
    folder: UPath, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_of = journals.record_of

    def broken(url: str | None, result: DownloadResult) -> str:
        if str(url).endswith(POISONED) and result.status is Status.OK:
            raise UNFORESEEN[name]()
        return record_of(url, result)

    with shop() as server:
        wanted = good(server, 8)
        with monkeypatch.context() as patched:
            patched.setattr(journals, "record_of", broken)
            check_one_fails(wanted, folder)
        assert set(download(wanted, folder)["status"]) == {"ok"}


@pytest.mark.parametrize("record", [" ", "no JSON", "[]", '{"url": 5}', "[" * 100_000])
def test_record_that_was_written_and_cannot_be_replayed_ends_one_link(
    folder: UPath, record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_of = journals.record_of

    def broken(url: str | None, result: DownloadResult) -> str:
        return record if str(url).endswith(POISONED) else record_of(url, result)

    monkeypatch.setattr(journals, "record_of", broken)
    with shop() as server:
        check_one_fails(good(server, 8), folder)


@pytest.mark.parametrize("name", UNFORESEEN)
def test_unforeseen_error_of_decoding_ends_one_link(folder: UPath, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoders.decode

    async def broken(self: Decoders, data: bytes) -> StoredImage | Status:
        if data == image("p3"):
            raise UNFORESEEN[name]()
        return await decode(self, data)

    monkeypatch.setattr(Decoders, "decode", broken)
    with shop() as server:
        check_one_fails(good(server, 8), folder)


AT = datetime(2024, 5, 1, tzinfo=UTC)


def result(stored_image: StoredImage | None = None, **changes: object) -> DownloadResult:
    fetched = Fetched(status=Status.OK, http_status=200, attempts=1, validators=Validators('"v"'))
    fetched = replace(fetched, **changes)  # type: ignore[arg-type]
    return DownloadResult(status=Status.OK, fetched=fetched, image=stored_image or stored(), fetched_at=AT)


def stored(**changes: object) -> StoredImage:
    return replace(StoredImage(b"an image", 40, 30, "ab" * 32, 5), **changes)  # type: ignore[arg-type]


UNFIT = {
    "a link that is no text": result(final_url="http://a.example/\udce9"),
    "a number of attempts beyond its column": result(attempts=2**40),
    "a code beyond its column": result(http_status=10**20),
    "a width beyond its column": result(stored(width=2**31)),
    "a hash beyond its column": result(stored(dhash=2**64)),
    "a negative hash": result(stored(dhash=-1)),
    "a checksum that is no text": result(stored(sha256="\ud800")),
    "a time that is a text": result(duration_ms="soon"),
    "no bytes": result(stored(data=5)),
    "nothing at all": None,
}


@pytest.mark.parametrize("name", UNFIT)
def test_result_that_fits_no_table_ends_one_link(name: str) -> None:
    sound: dict[str | None, DownloadResult] = {f"http://a.example/{index}": result() for index in range(5)}
    found = storable_results(sound | {"http://a.example/2": UNFIT[name]})  # type: ignore[dict-item]
    assert list(found) == list(sound)
    assert found.pop("http://a.example/2").status is Status.INTERNAL_ERROR
    assert found.items() <= sound.items()
    assert storable_results(sound) == sound


def statuses_of(outcomes: pl.DataFrame) -> dict[str, int]:
    return dict(outcomes["status"].value_counts().iter_rows())
