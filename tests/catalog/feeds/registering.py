"""Feeds in a test's inbox, their registration, and what it wrote."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.delivery_rows import delivered_batches
from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from tests.catalog.feeds.reading import Row

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ROWS: list[Row] = [(f"i{n}", *"abcde") for n in range(7)]
SUFFIXES = {
    "google_tsv": "tsv",
    "google_xml": "xml",
    "parquet": "parquet",
    "csv": "csv",
    "json_lines": "jsonl",
    "spreadsheet": "xlsx",
}


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
