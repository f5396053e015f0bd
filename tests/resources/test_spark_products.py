"""A feed taken on Spark: the same products and the same rejected rows as on one machine, in every format."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from upath import UPath

from catalog.feed_places import FeedPlace
from catalog.feeds.subslices import subslices
from catalog.products import Takings
from catalog.registration import register
from catalog.taxonomy_moves import Moves
from resources.feed_taker import FeedTaker, SparkFeedTaker
from resources.spark import Spark
from resources.spark_jobs import SparkJobError
from tests.catalog.feeds.reading import WRITERS
from tests.catalog.test_products import ACME, TAXONOMY

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


def taken(taker: FeedTaker, folder: Path, feed_format: str, max_rows: int) -> list[Takings]:
    """What a taker makes of each slice of a feed."""
    feed = FeedPlace.in_inbox(UPath(folder / "acme" / f"feed{SUFFIXES[feed_format]}"))
    deliveries = register(feed, received_at=datetime.now(UTC), max_rows=max_rows)
    moves = Moves((), TAXONOMY)
    return [taker.take(each, feed, partner=ACME, taxonomy=TAXONOMY, moves=moves) for each in deliveries]


def write_feed(folder: Path, feed_format: str) -> None:
    import gzip

    content = WRITERS[feed_format](ROWS)
    path = folder / "acme" / f"feed{SUFFIXES[feed_format]}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("feed_format", SUFFIXES)
def test_a_feed_in_slices_is_the_same_on_both_engines(
    session: "SparkSession", tmp_path: Path, feed_format: str
) -> None:
    write_feed(tmp_path, feed_format)
    there = taken(SparkFeedTaker(spark=SharedSession(), min_task_rows=20), tmp_path, feed_format, 120)
    here = taken(FeedTaker(), tmp_path, feed_format, 120)
    assert {"missing_id", "duplicate_id"} <= set(here[0].rejected["reason"])
    for ours, theirs in zip(there, here, strict=True):
        assert ours.products.equals(theirs.products)
        assert ours.rejected.equals(theirs.rejected)


def test_a_feed_that_changes_meanwhile_is_refused_by_its_tasks(session: "SparkSession", tmp_path: Path) -> None:
    write_feed(tmp_path, "google_tsv")
    feed = FeedPlace.in_inbox(UPath(tmp_path / "acme" / "feed.tsv"))
    [delivery] = register(feed, received_at=datetime.now(UTC))
    path = tmp_path / "acme" / "feed.tsv"
    path.write_bytes(path.read_bytes().replace(b"title 7", b"TITLE 7"))
    taker = SparkFeedTaker(spark=SharedSession(), min_task_rows=20)
    with pytest.raises(SparkJobError, match=r"products of acme\.feed: .*changed since delivery 'acme\.feed'"):
        taker.take(delivery, feed, partner=ACME, taxonomy=TAXONOMY, moves=Moves((), TAXONOMY))


def test_the_ranges_are_as_many_as_there_are_cores(tmp_path: Path) -> None:
    write_feed(tmp_path, "google_tsv")
    feed = FeedPlace.in_inbox(UPath(tmp_path / "acme" / "feed.tsv"))
    [delivery] = register(feed, received_at=datetime.now(UTC))
    with feed.open() as file:
        parts = subslices(file, feed.name, delivery.feed_format, delivery.part, 2)
    assert [part.num_rows for part in parts] == [100, 100]
