"""Feed files of partners: rows as Google Merchant TSV, Google Merchant RSS or Parquet."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from catalog.storage.files import replace_file

# A row is named by Google's product attributes; an attribute that a product lacks is the empty string.
FeedRow = dict[str, str]


def tsv(rows: Sequence[FeedRow]) -> bytes:
    """Writes a Google Merchant text feed: one header line, tabs between values, UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), dialect="excel-tab", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def rss(rows: Sequence[FeedRow]) -> bytes:
    """Writes a Google Merchant RSS 2.0 feed: an `item` a row, its attributes in the `g:` namespace."""
    items = "".join(f"<item>\n{''.join(map(_element, row, row.values()))}</item>\n" for row in rows)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">\n'
    return f"{head}<channel>\n<title>Products</title>\n{items}</channel>\n</rss>\n".encode()


def parquet(rows: Sequence[FeedRow]) -> bytes:
    """Writes a Parquet file: a column of strings for each attribute, null where a product lacks it."""
    columns = {name: pa.array([row[name] or None for row in rows], pa.string()) for name in rows[0]}
    encoded = io.BytesIO()
    pq.write_table(pa.table(columns), encoded, compression="zstd")
    return encoded.getvalue()


FEED_WRITERS: dict[str, Callable[[Sequence[FeedRow]], bytes]] = {"tsv": tsv, "xml": rss, "parquet": parquet}


def write_if_changed(path: Path, content: bytes) -> Path:
    """Writes a file by one rename; a file with the same bytes stays untouched.

    A sensor on the folder therefore never sees a partial feed, nor a change where there is none.
    """
    if path.exists() and path.read_bytes() == content:
        return path
    with replace_file(UPath(path)) as file:
        file.write(content)
    return path


def _element(name: str, value: str) -> str:
    return f"<g:{name}>{escape(value)}</g:{name}>\n" if value else ""
