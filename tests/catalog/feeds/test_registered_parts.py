"""Registration of a big feed: it is converted once, and its parts are whole, current and its own."""

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import catalog.feeds.delivery_rows
import catalog.feeds.registration
from catalog.feeds.delivery_rows import ChangedFeedError, delivered_batches
from catalog.feeds.feed import ReadOptions
from catalog.feeds.sources import InboxError, UnsettledFeedError
from catalog.storage.files import StoreNotWritableError
from tests.catalog.feeds.reading import WRITERS
from tests.catalog.feeds.registering import (
    ROWS,
    drop,
    parsed,
    records_of,
    registered,
    source_of,
    written,
)
from tests.catalog.feeds.test_conversion import file_size_limit


def test_parts_outlive_the_feed_and_are_named_by_its_content(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    deliveries = registered(feed, 3)
    sha256 = deliveries[0].sha256
    folder = f"parts/hansen.spring/{sha256}-3"
    assert [each.part.file for each in deliveries] == [f"{folder}/0000{n}.parquet" for n in (1, 2, 3)]
    assert written(feed) == [*(each.part.file for each in deliveries), f"{folder}/parts.json"]
    Path(feed.path).unlink()
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]


def test_converted_content_is_not_read_again_unless_a_part_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = drop(tmp_path, "spring.tsv.gz", gzip.compress(WRITERS["google_tsv"](ROWS)))
    deliveries = registered(feed, 3)
    reads = []
    read_feed = catalog.feeds.registration.read_feed

    def counting(*args: Any) -> Any:
        reads.append(args[0].name)
        return read_feed(*args)

    monkeypatch.setattr(catalog.feeds.registration, "read_feed", counting)
    assert registered(feed, 3) == deliveries
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    assert reads == []
    (records_of(feed) / deliveries[1].part.file).unlink()
    with pytest.raises(ChangedFeedError, match=r"changed since delivery 'hansen\.spring\.00002' was registered"):
        parsed(feed, *deliveries)
    assert registered(feed, 3) == deliveries
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    assert reads == [feed.name, feed.name]  # until it was too big for one delivery, and from its start to its end


def test_parts_are_read_only_under_the_column_names_of_their_conversion(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS).replace(b"id", b"SKU", 1))
    with pytest.raises(InboxError, match="no column 'id'"):
        registered(feed, 3)
    options = ReadOptions(columns={"SKU": "id"})
    first, *_ = deliveries = registered(feed, 3, options=options)
    assert len({first.version, *(each.version for each in deliveries)}) == 3
    rows = [batch.rows for batch in delivered_batches(first, source_of(feed, first), options)]
    assert pl.concat(rows)["item_id"].to_list() == ["i0", "i1", "i2"]
    with pytest.raises(
        ChangedFeedError, match=r"the columns or other settings of partner 'hansen' changed since delivery"
    ):
        parsed(feed, first)
    again, *_ = registered(feed, 3, options=ReadOptions(columns={"SKU": "id", "title": "color"}))
    assert again.version != first.version
    assert again.part.file != first.part.file


def test_a_feed_that_is_refused_at_its_end_leaves_no_parts(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.xml", WRITERS["google_xml"](ROWS)[:-9])
    with pytest.raises(InboxError, match="broken XML"):
        registered(feed, 3)
    big = ("id,title\n" + "1,a\n" * 30_000).encode("utf-16")[:-1]
    feed = drop(tmp_path, "spring.csv", big)
    with pytest.raises(InboxError, match="ends within a character"):
        registered(feed, 3_000)
    assert written(feed) == []


def test_a_feed_that_is_rewritten_while_it_is_converted_leaves_no_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    read_feed = catalog.feeds.registration.read_feed
    reads = []

    def rewriting(*args: Any) -> Any:
        reads.append(args)
        if len(reads) == 2:
            drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS[1:]))
        return read_feed(*args)

    monkeypatch.setattr(catalog.feeds.registration, "read_feed", rewriting)
    with pytest.raises(UnsettledFeedError, match=r"hansen/spring\.tsv is being written"):
        registered(feed, 3)
    assert written(feed) == []


def test_two_threads_do_not_convert_one_feed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    list_parts = catalog.feeds.registration.list_parts
    refusals = []

    def meanwhile(*args: Any) -> None:
        if not refusals:

            def second() -> None:
                with pytest.raises(UnsettledFeedError, match="is being converted") as refused:
                    registered(feed, 3)
                refusals.append(str(refused.value))

            thread = threading.Thread(target=second)
            thread.start()
            thread.join()
        list_parts(*args)

    monkeypatch.setattr(catalog.feeds.registration, "list_parts", meanwhile)
    deliveries = registered(feed, 3)
    assert len(refusals) == 1
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]


KILLED_CONVERSION = """
import os, signal, sys
from datetime import UTC, datetime
from upath import UPath
import catalog.feeds.registration as registration
from catalog.feeds.sources import FeedFile

num_batches = 0
read_feed = registration.read_feed
def read(*args):
    global num_batches
    for batch in read_feed(*args):
        num_batches += 1
        if num_batches == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch
registration.read_feed = read
feed = FeedFile.in_inbox(UPath(sys.argv[1]))
registration.register(feed, records=UPath(sys.argv[2]), received_at=datetime.now(UTC), max_rows=10_000)
"""


def test_a_conversion_that_was_killed_is_completed_by_the_next_registration(
    tmp_path: Path,
) -> None:
    rows = [(f"i{n}", *"abcde") for n in range(35_000)]
    feed = drop(tmp_path, "spring.csv", WRITERS["csv"](rows))
    killed = subprocess.run([sys.executable, "-c", KILLED_CONVERSION, feed.path, records_of(feed).path], check=False)
    assert killed.returncode == -9
    assert any(path.endswith("00001.parquet") for path in written(feed))
    assert not any(path.endswith("parts.json") for path in written(feed))
    deliveries = registered(feed, 10_000)
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(35_000)]


def test_a_full_disk_is_no_fault_of_the_feed_and_leaves_no_parts(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"]([(os.urandom(500).hex(), *"abcde") for _ in range(900)]))
    with file_size_limit(50_000), pytest.raises(StoreNotWritableError, match=r"00001\.parquet': File too large; make"):
        registered(feed, 300)
    assert written(feed) == []
    assert len(registered(feed, 300)) == 3
