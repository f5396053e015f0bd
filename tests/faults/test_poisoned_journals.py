"""A journal's record that cannot be replayed, whatever left it there, costs its own link one more request."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import polars as pl
import pytest
from upath import UPath

from catalog.download.journals import Journal
from catalog.images.shard_files import ShardFiles
from demo.shop import Shop
from tests.catalog.download.download_until_killed import download
from tests.catalog.download.shop_deliveries import check_complete, good, image

NUM_PRODUCTS = 12


def record(body: bytes, data: bytes = b"") -> bytes:
    """A record with a correct checksum."""
    return struct.pack("<III", crc32(body + data), len(body), len(data)) + body + data


def described(**changes: object) -> bytes:
    """The description of a link as an earlier version of this program recorded it."""
    values: dict[str, object] = {
        "url": "http://shop.example/x.jpg",
        "status": "ok",
        "http_status": 200,
        "final_url": None,
        "attempts": 1,
        "duration_ms": 1.0,
        "etag": None,
        "last_modified": None,
        "fetched_at": "2024-05-01T12:00:00+00:00",
        "image": [1, 1, "ab" * 32, 5, 256],
    }
    return json.dumps(values | changes).encode()


BAD = {
    "no JSON": b"no JSON",
    "bytes beyond UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "null": b"null",
    "nothing but braces": b"{}",
    "a status of a later version": described(status="teleported"),
    "a time that is none": described(fetched_at="yesterday"),
    "a time that is a number": described(fetched_at=5),
    "an image of too few values": described(image=[1]),
    "an image of too many values": described(image=list(range(9))),
    "a name that is a list": described(etag=["a"]),
    "a name that is a number": described(last_modified=7),
    "brackets a hundred thousand deep": b"[" * 100_000,
    "a number of ten thousand digits": b'{"url": ' + b"1" * 10_000 + b"}",
}
TAILS = {
    "zeros, as a power cut leaves them": bytes(4096),
    "zeros of one head": bytes(12),
    "half a head": b"\x01\x02\x03",
    "a head without its record": struct.pack("<III", 5, 100, 100),
    "a head that claims gigabytes": struct.pack("<III", 5, 2**32 - 1, 2**32 - 1),
    "random bytes": bytes(range(256)) * 20,
    "half a record": record(described())[:100],
    "a whole record of a wrong checksum": b"\0\0\0\0" + record(described())[4:],
}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(image, faults={}.get) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


@pytest.fixture
def begun(shop: Shop, folder: UPath, monkeypatch: pytest.MonkeyPatch) -> tuple[pl.DataFrame, Path]:
    """A delivery that a crash stopped when all was fetched and nothing written: its products, and its journal."""
    monkeypatch.setattr(ShardFiles, "write", _crash)
    wanted = good(shop, NUM_PRODUCTS)
    with pytest.raises(InterruptedError):
        download(wanted, folder)
    monkeypatch.undo()
    journal = Journal.of(folder / "outcomes", "shard-00000")._path
    assert shop.requests.total() == NUM_PRODUCTS
    return wanted, journal


def _crash(*_: object) -> None:
    raise InterruptedError("killed")


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("place", ["first", "last"])
def test_record_that_cannot_be_replayed_is_quarantined(
    shop: Shop, folder: UPath, begun: tuple[pl.DataFrame, Path], name: str, place: str
) -> None:
    wanted, journal = begun
    bad, good_records = record(BAD[name], b"image"), journal.read_bytes()
    journal.write_bytes(bad + good_records if place == "first" else good_records + bad)
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"ok"}
    assert shop.requests.total() == NUM_PRODUCTS, "what was recorded is not fetched again"
    assert journal.with_suffix(".quarantine").read_bytes() == bad
    assert not journal.exists()
    assert download(wanted, folder).equals(outcomes)


@pytest.mark.parametrize("name", TAILS)
def test_end_that_a_crash_left_is_no_record(
    shop: Shop, folder: UPath, begun: tuple[pl.DataFrame, Path], name: str
) -> None:
    wanted, journal = begun
    with journal.open("ab") as file:
        file.write(TAILS[name])
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"ok"}
    assert shop.requests.total() == NUM_PRODUCTS


@pytest.mark.parametrize("damage", ["checksum", "description", "image"])
def test_damaged_record_costs_its_own_link_one_request(
    shop: Shop, folder: UPath, begun: tuple[pl.DataFrame, Path], damage: str
) -> None:
    wanted, journal = begun
    content = bytearray(journal.read_bytes())
    _, num_described, _ = struct.unpack_from("<III", content)
    content[{"checksum": 0, "description": 20, "image": 12 + num_described + 20}[damage]] ^= 1
    journal.write_bytes(content)
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"ok"}
    assert shop.requests.total() == NUM_PRODUCTS + 1


@pytest.mark.parametrize("name", ['"k\udce9y"', "\ud800", '"\x1b[31m"', "x" * 100_000])
def test_hostile_name_that_an_earlier_version_recorded_is_dropped(
    shop: Shop, folder: UPath, begun: tuple[pl.DataFrame, Path], name: str
) -> None:
    """The record whose replay failed the delivery on every later run."""
    wanted, journal = begun
    content = journal.read_bytes()
    _, num_described, num_data = struct.unpack_from("<III", content)
    values = json.loads(content[12 : 12 + num_described]) | {"etag": name, "last_modified": name}
    rest = 12 + num_described + num_data
    journal.write_bytes(record(json.dumps(values).encode(), content[12 + num_described : rest]) + content[rest:])
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"ok"}
    assert name not in outcomes["etag"].to_list() + outcomes["last_modified"].to_list()
    assert shop.requests.total() == NUM_PRODUCTS


def test_journal_that_something_else_removed_is_an_error_that_says_so(
    shop: Shop, folder: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "results", lambda self: {})
    with pytest.raises(RuntimeError, match=r"shard-00000 has lost the results of 4 links.*run this again"):
        download(good(shop, 4), folder)
