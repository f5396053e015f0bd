"""Feed formats: one file each; a new format is one file here and a line in each of the two dicts below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from catalog.feeds.compression import uncompressed_name
from catalog.feeds.embedded_images import read_parquet_feed
from catalog.feeds.feed import FeedBatch, FeedError, FeedReader
from catalog.feeds.google_tsv import read_google_tsv
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.spreadsheets import read_spreadsheet
from catalog.feeds.tabular import read_csv

__all__ = ["FEED_READERS", "FORMAT_OF_SUFFIX", "FeedBatch", "FeedError", "FeedReader", "expected_format", "format_of"]

FEED_READERS: Mapping[str, FeedReader] = MappingProxyType(
    {
        "google_tsv": read_google_tsv,
        "google_xml": read_google_xml,
        "parquet": read_parquet_feed,
        "csv": read_csv,
        "json_lines": read_json_lines,
        "spreadsheet": read_spreadsheet,
    }
)

FORMAT_OF_SUFFIX: Mapping[str, str] = MappingProxyType(
    {
        ".tsv": "google_tsv",
        ".txt": "google_tsv",
        ".xml": "google_xml",
        ".parquet": "parquet",
        ".csv": "csv",
        ".jsonl": "json_lines",
        ".ndjson": "json_lines",
        ".json": "json_lines",
        ".xlsx": "spreadsheet",
        ".xlsm": "spreadsheet",
        ".xls": "spreadsheet",
        ".ods": "spreadsheet",
    }
)
# Suffixes that say nothing of the format: none, that of a zip file, and those of programs that write feeds.
OPEN_SUFFIXES = frozenset({"", ".asp", ".aspx", ".cgi", ".dat", ".feed", ".jsp", ".php"})


def expected_format(filename: str) -> str | None:
    """Return the key of `FEED_READERS` that a file's suffix says, one of compression left out; None if it says nothing.

    Raises:
        ValueError: The suffix is of files that are no feeds, or it is Parquet in a compressed file.
    """
    inner = uncompressed_name(filename)
    suffix = PurePosixPath(inner).suffix.lower()
    if suffix == ".parquet" and inner != filename:
        raise ValueError(f"{filename}: Parquet is compressed inside; deliver it as {PurePosixPath(inner).name}")
    if suffix in OPEN_SUFFIXES:
        return None
    if suffix not in FORMAT_OF_SUFFIX:
        known = ", ".join(FORMAT_OF_SUFFIX)
        raise ValueError(f"{filename}: unknown feed suffix {suffix!r}; known are {known}; rename or convert the file")
    return FORMAT_OF_SUFFIX[suffix]


def format_of(filename: str) -> str:
    """Return the key of `FEED_READERS` for a file's suffix; a suffix of compression may follow it.

    Raises:
        ValueError: The suffix is unknown or none, or it is Parquet in a compressed file.
    """
    found = expected_format(filename)
    if found is None:
        raise ValueError(f"{filename}: no suffix of a feed; known are {', '.join(FORMAT_OF_SUFFIX)}; rename the file")
    return found
