"""A delivery parsed on Spark: the same products and the same rejected rows as on one machine, in every format."""

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.parsing import ParsedFeed
from catalog.taxonomy.moves import Moves
from resources.feed_parser import FeedParser, SparkFeedParser
from resources.spark import products
from resources.spark.jobs import SparkJobError
from resources.spark.session import Spark
from tests.catalog.feeds.reading import WRITERS
from tests.catalog.products.test_parsing import ACME, TAXONOMY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = [
    (
        f"i{number % 90}" if number % 17 else "",
        f"title {number}",
        f"http://a.example/{number}.jpg",
        "",
        "2",
        "Footwear",
    )
    for number in range(200)
]
SUFFIXES = {"google_tsv": ".tsv", "csv": ".csv.gz", "google_xml": ".xml", "parquet": ".parquet", "json_lines": ".jsonl"}


class SharedSession(Spark):
    """The tests' own session, whoever asks."""

    @property
    def session(self) -> "SparkSession":
        from pyspark.sql import SparkSession

        found = SparkSession.getActiveSession()
        assert found is not None
        return found


def registered(folder: Path, feed_format: str, max_rows: int = 100_000) -> tuple[FeedFile, list[Delivery]]:
    feed = FeedFile.in_inbox(UPath(folder / "acme" / f"feed{SUFFIXES[feed_format]}"))
    return feed, register(feed, records=UPath(folder / "records"), received_at=datetime.now(UTC), max_rows=max_rows)


def parsed(parser: FeedParser, folder: Path, feed_format: str, max_rows: int) -> list[ParsedFeed]:
    """Returns the tables that a parser writes for each delivery of a feed."""
    feed, deliveries = registered(folder, feed_format, max_rows)
    sources = [UPath(folder / "records") / each.part.file if each.part.file else feed for each in deliveries]
    return [parser.parse(task_of(each, source)) for each, source in zip(deliveries, sources, strict=True)]


def task_of(delivery: Delivery, source: FeedFile | UPath) -> DeliveryTask:
    moves = Moves((), TAXONOMY)
    return DeliveryTask(delivery=delivery, source=source, partner=ACME, taxonomy=TAXONOMY, moves=moves)


def write_feed(folder: Path, feed_format: str) -> None:
    import gzip

    content = WRITERS[feed_format](ROWS)
    path = folder / "acme" / f"feed{SUFFIXES[feed_format]}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("feed_format", SUFFIXES)
@pytest.mark.parametrize("max_rows", [120, 1_000])
def test_a_feed_is_the_same_on_both_engines_in_parts_or_whole(
    session: "SparkSession", tmp_path: Path, feed_format: str, max_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "PIECE_ROWS", 50)
    write_feed(tmp_path, feed_format)
    there = parsed(SparkFeedParser(spark=SharedSession(), min_task_rows=20), tmp_path, feed_format, max_rows)
    here = parsed(FeedParser(), tmp_path, feed_format, max_rows)
    assert len(here) == (2 if max_rows == 120 else 1)
    assert {"missing_id", "duplicate_id"} <= set(here[0].rejected["reason"])
    for ours, theirs in zip(there, here, strict=True):
        assert ours.products.equals(theirs.products)
        assert ours.rejected.equals(theirs.rejected)


def test_a_feed_that_changes_meanwhile_is_refused_by_its_task(session: "SparkSession", tmp_path: Path) -> None:
    write_feed(tmp_path, "google_tsv")
    feed, [delivery] = registered(tmp_path, "google_tsv")
    path = tmp_path / "acme" / "feed.tsv"
    path.write_bytes(path.read_bytes().replace(b"title 7", b"TITLE 7"))
    parser = SparkFeedParser(spark=SharedSession(), min_task_rows=20)
    with pytest.raises(SparkJobError, match=r"products of acme\.feed: .*changed since delivery 'acme\.feed'"):
        parser.parse(task_of(delivery, feed))


def test_a_superseded_part_leaves_no_row_on_either_engine(session: "SparkSession", tmp_path: Path) -> None:
    write_feed(tmp_path, "csv")
    feed, [newer, _] = registered(tmp_path, "csv", 120)
    gone = newer.superseded_by(newer)
    for parser in (FeedParser(), SparkFeedParser(spark=SharedSession(), min_task_rows=0)):
        there = parser.parse(task_of(gone, feed))
        assert there.products.is_empty()
        assert there.rejected.is_empty()


def test_few_rows_are_parsed_without_a_session(tmp_path: Path) -> None:
    write_feed(tmp_path, "csv")
    feed, [delivery] = registered(tmp_path, "csv")
    parser = SparkFeedParser(spark=Spark(master="spark://127.0.0.1:1"), min_task_rows=201)
    assert not parser.parse(task_of(delivery, feed)).products.is_empty()


def test_a_task_is_sent_as_plain_values(tmp_path: Path) -> None:
    write_feed(tmp_path, "csv")
    feed, [delivery, *_] = registered(tmp_path, "csv", 50)
    for source in (feed, UPath(tmp_path / "records") / delivery.part.file):
        task = task_of(delivery, source)
        copy = pickle.loads(pickle.dumps(task))  # noqa: S301 our own bytes
        assert copy.parse().products.equals(task.parse().products)
