"""Registration: a feed becomes one delivery, or is converted to several; it is refused where it is broken."""

import gzip
import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from upath import UPath

import catalog.feeds.delivery_rows
import catalog.feeds.registration
from catalog.feeds import fast_delimited
from catalog.feeds.deliveries import Delivery, Part, known_deliveries
from catalog.feeds.delivery_rows import ChangedFeedError, delivered_batches
from catalog.feeds.sources import FeedFile, InboxError, UnsettledFeedError
from tests.catalog.feeds.reading import WRITERS
from tests.catalog.feeds.registering import (
    ROWS,
    SUFFIXES,
    drop,
    parsed,
    registered,
    written,
    zstd,
)


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_feed_that_fits_is_one_delivery_named_after_its_file(tmp_path: Path, feed_format: str) -> None:
    content = WRITERS[feed_format](ROWS)
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}", content)
    (delivery,) = registered(feed, 7)
    assert delivery.key == "hansen.spring"
    assert delivery.feed == f"hansen/spring.{SUFFIXES[feed_format]}"
    assert (delivery.sha256, delivery.num_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert delivery.version == delivery.sha256
    assert delivery.part == Part(num_rows=7)
    assert written(feed) == []
    assert parsed(feed, delivery) == [(n + 1, f"i{n}") for n in range(7)]


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_bigger_feed_is_several_deliveries_that_keep_the_file_s_rows(tmp_path: Path, feed_format: str) -> None:
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}", WRITERS[feed_format](ROWS))
    deliveries = registered(feed, 3)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002", "hansen.spring.00003"]
    assert len({each.version for each in deliveries}) == 3
    assert len({each.sha256 for each in deliveries}) == 1
    assert [len(parsed(feed, each)) for each in deliveries] == [3, 3, 1]
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]


@pytest.mark.parametrize("feed_format", [each for each in SUFFIXES if each != "parquet"])
@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("zst", zstd)])
def test_a_compressed_feed_is_divided_like_any_other(
    tmp_path: Path, feed_format: str, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(WRITERS[feed_format](ROWS))
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}.{suffix}", content)
    deliveries = registered(feed, 3)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002", "hansen.spring.00003"]
    assert {(each.sha256, each.num_bytes) for each in deliveries} == {
        (hashlib.sha256(content).hexdigest(), len(content))
    }
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    assert [path.name for path in (tmp_path / "hansen").iterdir()] == [f"spring.{SUFFIXES[feed_format]}.{suffix}"]


def test_a_record_is_read_as_it_was_written_and_all_of_a_feed_are_found(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.xml", WRITERS["google_xml"](ROWS))
    others = drop(tmp_path, "spring-2.xml", WRITERS["google_xml"](ROWS))
    deliveries = registered(feed, 3)
    folder = UPath(tmp_path / "deliveries")
    for delivery in [*deliveries, *registered(others)]:
        delivery.save(folder)
        assert Delivery.load(folder, delivery.key) == delivery
    assert known_deliveries(folder, "hansen.spring") == deliveries


def test_a_record_without_a_part_is_a_whole_feed(tmp_path: Path) -> None:
    record = (
        '{"key": "hansen.spring", "partner_id": "hansen", "feed": "hansen/spring.tsv", "feed_format": "google_tsv", '
        '"sha256": "%s", "num_bytes": 1, "received_at": "2024-05-01T00:00:00+00:00"}'
    )
    content = WRITERS["google_tsv"](ROWS)
    feed = drop(tmp_path, "spring.tsv", content)
    (tmp_path / "hansen.spring.json").write_text(record % hashlib.sha256(content).hexdigest())
    delivery = Delivery.load(UPath(tmp_path), "hansen.spring")
    assert len(parsed(feed, delivery)) == 7
    assert not delivery.is_superseded


def test_a_superseded_part_has_no_rows_and_opens_no_file(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    *_, last = registered(feed, 3)
    (newer,) = registered(drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS[:2])))
    gone = last.superseded_by(newer)
    assert gone.is_superseded
    assert gone.version not in (last.version, newer.version)
    Path(feed.path).unlink()
    assert parsed(feed, gone) == []


def test_a_feed_is_fingerprinted_again_only_where_its_stamp_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    (delivery,) = registered(feed)
    fingerprinted = []

    def counting(feed: FeedFile) -> tuple[str, int]:
        fingerprinted.append(feed.name)
        return delivery.sha256, delivery.num_bytes

    monkeypatch.setattr(catalog.feeds.delivery_rows, "fingerprint_of", counting)
    parsed(feed, delivery)
    assert fingerprinted == []
    os.utime(feed.path, (0, 0))
    parsed(feed, delivery)
    assert fingerprinted == [feed.name]


def test_a_feed_rewritten_after_registration_is_refused_even_at_its_size_and_time(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    (delivery,) = registered(feed)
    stat = Path(feed.path).stat()
    drop(tmp_path, "spring.tsv", WRITERS["google_tsv"]([("j0", *"abcde"), *ROWS[1:]]))
    os.utime(feed.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ChangedFeedError, match=r"changed since delivery 'hansen\.spring' was registered"):
        parsed(feed, delivery)


def test_a_feed_rewritten_while_it_is_read_is_refused_at_the_end(tmp_path: Path) -> None:
    rows = [(f"i{n}", *"abcde") for n in range(30_000)]
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](rows))
    (delivery,) = registered(feed)
    batches = delivered_batches(delivery, feed)
    next(batches)
    os.utime(feed.path, (0, 0))
    with pytest.raises(ChangedFeedError, match="while"):
        list(batches)


def test_a_feed_without_versions_is_fingerprinted_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeedFile, "stamp", lambda _: "")
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    (delivery,) = registered(feed)
    assert len(parsed(feed, delivery)) == 7
    drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS[:6]))
    with pytest.raises(ChangedFeedError, match=r"changed since delivery 'hansen\.spring' was registered"):
        parsed(feed, delivery)


# -- conversion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [0, -1])
def test_no_rows_a_delivery_is_no_limit(tmp_path: Path, max_rows: int) -> None:
    with pytest.raises(ValueError, match="allow 1 at least"):
        registered(drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS)), max_rows)


def test_a_feed_that_is_being_written_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    stamps = iter(["1", "2"])
    monkeypatch.setattr(FeedFile, "stamp", lambda _: next(stamps))
    with pytest.raises(UnsettledFeedError, match=r"hansen/spring\.tsv is being written"):
        registered(feed)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("bad.tsv", b"", "empty"),
        ("bad.tsv", b"id\ttitle\n", "no product in it"),
        ("bad.csv", b'id,title\n1,"never closed\n', "row 1 opens is never closed"),
        ("bad.xml", b"<rss><channel><item>", "broken XML"),
        ("bad.tsv.gz", gzip.compress(b"id\n" + os.urandom(9_999).hex().encode())[:-9], "damaged or cut off"),
        ("bad.tsv.gz", b"id\n1\n", "damaged or cut off"),
        ("bad.parquet", b"PAR1", "not a readable Parquet file"),
        ("bad.pdf", b"%PDF", "known are"),
        ("b d.tsv", b"id\n1\n", "plain name"),
    ],
)
def test_a_refused_feed_is_named_with_its_problem(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    with pytest.raises(InboxError, match=problem) as refused:
        registered(drop(tmp_path, name, content))
    assert name in str(refused.value)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InboxError, match=r"hansen/gone\.tsv cannot be reached"):
        registered(FeedFile.in_inbox(UPath(tmp_path / "hansen" / "gone.tsv")))


def test_memory_does_not_grow_with_the_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_delimited.whole_lines, "__defaults__", (1 << 20,))

    def peak(num_rows: int) -> int:
        line = b"sku\t" + b"x" * 1_000 + b"\n"
        feed = drop(tmp_path, "big.tsv", b"id\ttitle\n" + line * num_rows)
        usual = pa.default_memory_pool()
        counting = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(counting)
        tracemalloc.start()
        try:
            assert len(registered(feed, 1_000)) == -(-num_rows // 1_000)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(usual)
        return most + counting.max_memory()

    peak(1_500)
    assert peak(20_000) < 1.5 * peak(5_000)
