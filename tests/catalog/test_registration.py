"""Registration: a feed is read once, told apart by its content, cut where too big, refused where broken."""

import gzip
import hashlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from upath import UPath

import catalog.delivered
from catalog.delivered import ChangedFeedError, delivered_batches
from catalog.deliveries import Delivery, known_deliveries
from catalog.feed_places import FeedPlace, InboxError, UnsettledFeedError
from catalog.registration import register
from tests.catalog.feeds.reading import WRITERS, Row

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ROWS: list[Row] = [(f"i{n}", *"abcde") for n in range(7)]
SUFFIXES = {"google_tsv": "tsv", "google_xml": "xml", "parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}


def drop(folder: Path, name: str, content: bytes) -> FeedPlace:
    path = folder / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return FeedPlace.in_inbox(UPath(path))


def zstd(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return packed.getvalue().to_pybytes()


def taken(feed: FeedPlace, *deliveries: Delivery) -> list[tuple[int, str]]:
    """The rows of these deliveries: number and id."""
    batches = [batch.rows for delivery in deliveries for batch in delivered_batches(delivery, feed)]
    return list(pl.concat(batches).select("row", "item_id").iter_rows()) if batches else []


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_feed_that_fits_is_one_delivery_named_after_its_file(tmp_path: Path, feed_format: str) -> None:
    content = WRITERS[feed_format](ROWS)
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}", content)
    (delivery,) = register(feed, received_at=NOW, max_rows=7)
    assert delivery.key == "hansen.spring"
    assert delivery.feed == f"hansen/spring.{SUFFIXES[feed_format]}"
    assert (delivery.sha256, delivery.num_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert delivery.version == delivery.sha256
    assert delivery.part.num_rows == 7
    assert taken(feed, delivery) == [(n + 1, f"i{n}") for n in range(7)]


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_bigger_one_is_several_deliveries_that_keep_the_file_s_rows(tmp_path: Path, feed_format: str) -> None:
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}", WRITERS[feed_format](ROWS))
    deliveries = register(feed, received_at=NOW, max_rows=3)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002", "hansen.spring.00003"]
    assert len({each.version for each in deliveries}) == 3
    assert len({each.sha256 for each in deliveries}) == 1
    assert [len(taken(feed, each)) for each in deliveries] == [3, 3, 1]
    assert taken(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]


@pytest.mark.parametrize("feed_format", [each for each in SUFFIXES if each != "parquet"])
@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("zst", zstd)])
def test_a_compressed_feed_is_cut_without_being_unpacked_to_disk(
    tmp_path: Path, feed_format: str, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(WRITERS[feed_format](ROWS))
    feed = drop(tmp_path, f"spring.{SUFFIXES[feed_format]}.{suffix}", content)
    deliveries = register(feed, received_at=NOW, max_rows=3)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002", "hansen.spring.00003"]
    assert {(each.sha256, each.num_bytes) for each in deliveries} == {
        (hashlib.sha256(content).hexdigest(), len(content))
    }
    assert taken(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    assert [path.name for path in (tmp_path / "hansen").iterdir()] == [f"spring.{SUFFIXES[feed_format]}.{suffix}"]


def test_a_record_is_read_as_it_was_written_and_all_of_a_feed_are_found(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.xml", WRITERS["google_xml"](ROWS))
    others = drop(tmp_path, "spring-2.xml", WRITERS["google_xml"](ROWS))
    deliveries = register(feed, received_at=NOW, max_rows=3)
    folder = UPath(tmp_path / "deliveries")
    for delivery in [*deliveries, *register(others, received_at=NOW)]:
        delivery.save(folder)
        assert Delivery.load(folder, delivery.key) == delivery
    assert known_deliveries(folder, "hansen.spring") == deliveries


def test_a_record_of_before_there_were_slices_is_a_whole_feed(tmp_path: Path) -> None:
    record = (
        '{"key": "hansen.spring", "partner_id": "hansen", "feed": "hansen/spring.tsv", "feed_format": "google_tsv", '
        '"sha256": "%s", "num_bytes": 1, "received_at": "2024-05-01T00:00:00+00:00"}'
    )
    content = WRITERS["google_tsv"](ROWS)
    feed = drop(tmp_path, "spring.tsv", content)
    (tmp_path / "hansen.spring.json").write_text(record % hashlib.sha256(content).hexdigest())
    delivery = Delivery.load(UPath(tmp_path), "hansen.spring")
    assert len(taken(feed, delivery)) == 7
    assert not delivery.is_superseded


def test_a_superseded_slice_has_no_rows_and_asks_no_file(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    *_, last = register(feed, received_at=NOW, max_rows=3)
    (newer,) = register(drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS[:2])), received_at=NOW)
    gone = last.superseded_by(newer)
    assert gone.is_superseded
    assert gone.version not in (last.version, newer.version)
    Path(feed.path).unlink()
    assert taken(feed, gone) == []


def test_an_unchanged_file_is_not_fingerprinted_again_and_one_of_another_stamp_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    deliveries = register(feed, received_at=NOW, max_rows=3)
    fingerprinted = []

    def counting(feed: FeedPlace) -> str:
        fingerprinted.append(feed.name)
        return deliveries[0].sha256

    monkeypatch.setattr(catalog.delivered, "sha256_of", counting)
    for delivery in deliveries:
        taken(feed, delivery)
    assert fingerprinted == []
    os.utime(feed.path, (0, 0))
    taken(feed, deliveries[0])
    assert fingerprinted == [feed.name]


def test_a_feed_rewritten_after_its_registration_is_refused_even_at_its_size_and_time(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    (delivery,) = register(feed, received_at=NOW)
    stat = Path(feed.path).stat()
    drop(tmp_path, "spring.tsv", WRITERS["google_tsv"]([("j0", *"abcde"), *ROWS[1:]]))
    os.utime(feed.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ChangedFeedError, match=r"changed since delivery 'hansen\.spring' was registered"):
        taken(feed, delivery)


def test_a_feed_rewritten_while_it_is_read_is_refused_at_the_end(tmp_path: Path) -> None:
    rows = [(f"i{n}", *"abcde") for n in range(30_000)]
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](rows))
    (delivery,) = register(feed, received_at=NOW)
    batches = delivered_batches(delivery, feed)
    next(batches)
    os.utime(feed.path, (0, 0))
    with pytest.raises(ChangedFeedError, match="while"):
        list(batches)


def test_a_feed_that_is_being_written_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = drop(tmp_path, "spring.tsv", WRITERS["google_tsv"](ROWS))
    stamps = iter(["1", "2"])
    monkeypatch.setattr(FeedPlace, "stamp", lambda _: next(stamps))
    with pytest.raises(UnsettledFeedError, match=r"hansen/spring\.tsv is being written"):
        register(feed, received_at=NOW)


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
def test_what_cannot_be_taken_is_named_with_its_problem(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    with pytest.raises(InboxError, match=problem) as refused:
        register(drop(tmp_path, name, content), received_at=NOW)
    assert name in str(refused.value)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InboxError, match=r"hansen/gone\.tsv cannot be reached"):
        register(FeedPlace.in_inbox(UPath(tmp_path / "hansen" / "gone.tsv")), received_at=NOW)


def test_memory_does_not_grow_with_the_feed(tmp_path: Path) -> None:
    def peak(num_rows: int) -> int:
        line = b"sku\t" + b"x" * 1_000 + b"\n"
        feed = drop(tmp_path, "big.tsv", b"id\ttitle\n" + line * num_rows)
        tracemalloc.start()
        assert len(register(feed, received_at=NOW, max_rows=1_000)) == num_rows // 1_000
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1_000)
    assert peak(80_000) < 1.5 * peak(20_000)


@pytest.fixture
def memory() -> Iterator[Any]:
    from fsspec.implementations.memory import MemoryFileSystem

    filesystem = MemoryFileSystem()
    yield filesystem
    filesystem.store.clear()


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_feed_behind_a_url_is_a_delivery_like_any_other(memory: Any, feed_format: str) -> None:
    name = f"spring.{SUFFIXES[feed_format]}"
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS))
    feed = FeedPlace.behind("hansen", f"memory://feeds/{name}")
    deliveries = register(feed, received_at=NOW, max_rows=4)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002"]
    assert taken(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS[:6]))
    with pytest.raises(ChangedFeedError):
        taken(feed, deliveries[0])


def test_what_is_secret_in_a_url_is_in_no_record_and_no_message() -> None:
    feed = FeedPlace.behind("hansen", "https://me:secret@127.0.0.1:9/spring.tsv?token=secret")
    assert feed.name == "https://127.0.0.1:9/spring.tsv"
    assert "secret" not in repr(feed)
    with pytest.raises(InboxError, match=r"127\.0\.0\.1:9/spring\.tsv cannot be reached") as refused:
        register(feed, received_at=NOW)
    assert "secret" not in str(refused.value)


def test_a_file_system_that_nobody_knows_is_told() -> None:
    with pytest.raises(InboxError, match="nowhere"):
        FeedPlace.behind("hansen", "nowhere://spring.tsv")
