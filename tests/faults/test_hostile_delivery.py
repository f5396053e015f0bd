"""One delivery of everything hostile: each link ends in its status, the healthy images arrive, nothing leaks out."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.download.delivery import download_delivery
from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings
from tests.catalog.images.sample_images import jpeg
from tests.faults.hostile_server import cases, hostile_server
from tests.faults.responses import MAX_BYTES

CASES = cases()
# Ids that would be dangerous as paths; their images are healthy.
IDS = ("../../outside", "/etc/shelfsight", "CON", "a/b\\c", "x" * 300, "\U0001f45f", "..", "%2e%2e%2f", "$(id)", "a\tb")
SETTINGS = FetchSettings(
    allowed_networks=("127.0.0.1",),
    # Long enough for a machine that stands still for a moment: what is to time out does so all the same.
    connect_timeout_s=10.0,
    idle_timeout_s=20.0,
    timeout_s=30.0,
    decode_timeout_s=6.0,
    max_bytes=MAX_BYTES,
    max_attempts=1,
    shard_rows=40,
    politeness=Politeness(max_connections=24, failures_to_pause=10_000),
)


@dataclass(frozen=True)
class Delivered:
    """The delivery after its download, and what was there before and after it."""

    outcomes: dict[str, str]  # product_id -> status
    stored: dict[str, bytes]
    written: set[Path]  # what this process has opened for writing, made or renamed meanwhile
    place: Path  # a folder in which nothing is but the store
    store: Path


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    place = tmp_path_factory.mktemp("hostile")
    store = place / "deep" / "er" / "store"
    with hostile_server() as url, writes() as written:
        rows = [
            (f"case:{name}", f"{url}/{quote(name, safe='')}" if case.url is None else case.url)
            for name, case in CASES.items()
        ]
        healthy = [(product_id, f"{url}/{seed}") for seed, product_id in enumerate(IDS)]
        mixed = pl.DataFrame(rows + healthy, schema=["product_id", "image_url"], orient="row")
        outcomes = download_delivery(
            mixed.sample(fraction=1, shuffle=True, seed=3),
            images=UPath(store / "images"),
            outcomes=UPath(store / "outcomes"),
            settings=SETTINGS,
        )
    tables = [pq.read_table(path).to_pylist() for path in (store / "images").glob("*.parquet")]
    stored = {row["product_id"]: row for table in tables for row in table}
    assert all(hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["sha256"] for row in stored.values())
    yield Delivered(
        outcomes=dict(outcomes.select("product_id", "status").iter_rows()),
        stored={product_id: row["image"]["bytes"] for product_id, row in stored.items()},
        written=written,
        place=place,
        store=store,
    )


class _Audit:
    """Python's own record of what a process opens, makes, renames and links; it cannot be taken away again."""

    EVENTS = frozenset({"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate"})

    def __init__(self) -> None:
        self.seen: set[Path] | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.seen is None:
            return
        is_write = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if is_write or event in self.EVENTS:
            paths = args[:2] if event in {"os.rename", "os.link", "os.symlink"} else args[:1]
            self.seen |= {Path(os.fsdecode(path)).absolute() for path in paths if isinstance(path, str | bytes)}


@contextmanager
def writes() -> Iterator[set[Path]]:
    """The paths that this process writes meanwhile, as Python tells them to its auditors."""
    audit = _Audit()
    audit.seen = seen = set()
    try:
        yield seen
    finally:
        audit.seen = None


@pytest.mark.parametrize("name", CASES)
def test_it_ends_in_its_status(delivered: Delivered, name: str) -> None:
    status = delivered.outcomes[f"case:{name}"]
    assert status in CASES[name].statuses
    assert (status == "ok") == (f"case:{name}" in delivered.stored)


@pytest.mark.parametrize("product_id", IDS)
def test_healthy_images_arrive_whatever_their_product_is_called(delivered: Delivered, product_id: str) -> None:
    assert delivered.outcomes[product_id] == "ok"
    assert delivered.stored[product_id] == jpeg(seed=IDS.index(product_id))


def test_nothing_is_written_outside_the_store(delivered: Delivered) -> None:
    files = {Path(folder) / name for folder, _, names in os.walk(delivered.place) for name in names}
    assert files
    assert {file for file in files if not file.is_relative_to(delivered.store)} == set()
    assert files <= delivered.written, "the auditor has missed what was written"
    devices = {path for path in delivered.written if path.is_relative_to("/dev")}
    outside = {path for path in delivered.written - devices if not path.is_relative_to(delivered.store)}
    assert outside <= set(delivered.store.parents)  # folders on the way to it


def test_no_stored_image_is_larger_than_its_pixels_warrant(delivered: Delivered) -> None:
    assert max(map(len, delivered.stored.values())) < 1_000_000


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 100
