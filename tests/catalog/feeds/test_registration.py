"""Registration: a feed becomes one delivery, or is converted to several; it is refused where it is broken."""

import gzip
import hashlib
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from upath import UPath

import catalog.feeds.delivery_rows
import catalog.feeds.registration
from catalog.feeds import fast_tabs
from catalog.feeds.deliveries import Delivery, Part, known_deliveries
from catalog.feeds.delivery_rows import ChangedFeedError, delivered_batches
from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile, InboxError, UnsettledFeedError
from catalog.storage.files import StoreNotWritableError
from tests.catalog.feeds.reading import WRITERS, Row
from tests.catalog.feeds.test_conversion import file_size_limit

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ROWS: list[Row] = [(f"i{n}", *"abcde") for n in range(7)]
SUFFIXES = {"google_tsv": "tsv", "google_xml": "xml", "parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}


def drop(folder: Path, name: str, content: bytes) -> FeedFile:
    path = folder / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return FeedFile.in_inbox(UPath(path))


def zstd(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return packed.getvalue().to_pybytes()


def registered(feed: FeedFile, max_rows: int = 100_000, **options: Any) -> list[Delivery]:
    return register(feed, records=records_of(feed), received_at=NOW, max_rows=max_rows, **options)


def records_of(feed: FeedFile) -> UPath:
    """The folder of delivery records beside a test's inbox."""
    return UPath("memory://records") if feed.is_url else UPath(Path(feed.path).parent.parent / "deliveries")


def source_of(feed: FeedFile, delivery: Delivery) -> FeedFile | UPath:
    return records_of(feed) / delivery.part.file if delivery.part.file else feed


def parsed(feed: FeedFile, *deliveries: Delivery) -> list[tuple[int, str]]:
    """The rows of these deliveries: number and id."""
    batches = [batch.rows for each in deliveries for batch in delivered_batches(each, source_of(feed, each))]
    return list(pl.concat(batches).select("row", "item_id").iter_rows()) if batches else []


def written(feed: FeedFile) -> list[str]:
    """All files below the delivery records."""
    folder = Path(records_of(feed).path)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


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
    names = {"SKU": "id"}
    first, *_ = deliveries = registered(feed, 3, names=names)
    assert len({first.version, *(each.version for each in deliveries)}) == 3
    rows = [batch.rows for batch in delivered_batches(first, source_of(feed, first), names)]
    assert pl.concat(rows)["item_id"].to_list() == ["i0", "i1", "i2"]
    with pytest.raises(ChangedFeedError, match=r"the column names of partner 'hansen' changed since delivery"):
        parsed(feed, first)
    again, *_ = registered(feed, 3, names={"SKU": "id", "title": "color"})
    assert again.version != first.version
    assert again.part.file != first.part.file


def test_a_feed_that_is_refused_at_its_end_leaves_no_parts(tmp_path: Path) -> None:
    feed = drop(tmp_path, "spring.xml", WRITERS["google_xml"](ROWS)[:-9])
    with pytest.raises(InboxError, match="broken XML"):
        registered(feed, 3)
    big = b"id,title\n" + b"1,a\n" * 30_000 + b'2,"never closed\n'
    feed = drop(tmp_path, "spring.csv", big)
    with pytest.raises(InboxError, match="is never closed"):
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
    monkeypatch.setattr(fast_tabs.whole_lines, "__defaults__", (1 << 20,))

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
    feed = FeedFile.at_url("hansen", f"memory://feeds/{name}")
    deliveries = registered(feed, 4)
    assert [each.key for each in deliveries] == ["hansen.spring.00001", "hansen.spring.00002"]
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS[:4]))
    assert parsed(feed, *deliveries) == [(n + 1, f"i{n}") for n in range(7)]
    (delivery,) = registered(feed, 4)
    memory.pipe(f"/feeds/{name}", WRITERS[feed_format](ROWS[:3]))
    with pytest.raises(ChangedFeedError):
        parsed(feed, delivery)


def test_secrets_of_a_url_are_in_no_record_and_no_message() -> None:
    feed = FeedFile.at_url("hansen", "https://me:secret@127.0.0.1:9/spring.tsv?token=secret")
    assert feed.name == "https://127.0.0.1:9/spring.tsv"
    assert "secret" not in repr(feed)
    with pytest.raises(InboxError, match=r"127\.0\.0\.1:9/spring\.tsv cannot be reached") as refused:
        registered(feed)
    assert "secret" not in str(refused.value)


def test_an_unknown_file_system_is_named() -> None:
    with pytest.raises(InboxError, match="nowhere"):
        FeedFile.at_url("hansen", "nowhere://spring.tsv")
