"""Contents of feed files: unpacked, and of the format that the bytes show, whatever the name says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO

from catalog.feeds.compression import SUFFIXES, compression_of, decompressed
from catalog.feeds.encodings import detect_encoding
from catalog.feeds.feed import FeedError, ReadOptions
from catalog.feeds.formats import FORMAT_OF_SUFFIX, expected_format
from catalog.feeds.layouts import detect_layout
from catalog.feeds.presets.recognition import num_known_names
from catalog.feeds.transcoding import can_seek, read_head, rewound
from catalog.feeds.zip_files import ZipFeed, is_zip

HEAD_BYTES = 1 << 16
TEXT_FORMATS = {"google_tsv": "\t", "csv": ","}  # format -> the delimiter of its suffix
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(r"<(?:\?xml|!--|!doctype|[A-Za-z_][\w.:-]*[\s/>])", re.IGNORECASE)
_JSON = re.compile(r'(?:\[\s*)?\{\s*(?:"|\})|\[\s*\]')
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"SQLite format 3\0", "an SQLite database"),
)


@dataclass(frozen=True)
class Content:
    """The content of a feed file: a key of `FEED_READERS`, and the bytes, which seek unless they were unpacked."""

    feed_format: str
    stream: BinaryIO


@contextmanager
def open_content(file: BinaryIO, filename: str, name: str, options: ReadOptions) -> Iterator[Content]:
    """Unpack a feed file, and recognize its format by its first bytes where they are certain, else by its name.

    What is found out is noted: `container`, `format`, and `file` for the name of the feed in a zip file.

    Args:
        filename: The file's name, with its suffixes.
        name: The feed's name in messages.

    Raises:
        FeedError: The file is damaged, a bomb, an archive within an archive, or no feed.
    """
    head = read_head(file, HEAD_BYTES)
    if is_zip(head) and can_seek(file):
        archive = ZipFeed(file, name)
        if archive.is_spreadsheet:
            yield _noted(Content("spreadsheet", rewound(file, head)), options)
            return
        inner, stream = archive.open()
        options.note("container", "zip")
        options.note("file", inner)
    elif compression := compression_of(head):
        options.note("container", compression.name)
        inner, stream = _without_suffix(filename), decompressed(rewound(file, head), compression, name)
    else:
        _refuse_damaged(head, filename, name)
        yield _noted(Content(_format(head, _without_suffix(filename), name, options), rewound(file, head)), options)
        return
    with stream:
        head = read_head(stream, HEAD_BYTES)
        if is_zip(head) or compression_of(head) is not None:
            raise FeedError(f"{name}: an archive within the archive; pack the feed once")
        found = _format(head, inner, name, options)
        if found == "parquet":
            raise FeedError(f"{name}: Parquet is compressed inside; deliver it as it is, not packed")
        yield _noted(Content(found, rewound(stream, head)), options)


def _noted(content: Content, options: ReadOptions) -> Content:
    return Content(options.note("format", content.feed_format), content.stream)


def _without_suffix(filename: str) -> str:
    suffix = PurePosixPath(filename).suffix
    return filename.removesuffix(suffix) if suffix.lower() in SUFFIXES else filename


def _refuse_damaged(head: bytes, filename: str, name: str) -> None:
    """Raises `FeedError` for a file with the suffix of a compression that is neither compressed nor text."""
    suffix = PurePosixPath(filename).suffix.lower()
    if suffix in SUFFIXES and (not head or b"\0" in head[:1000] or detect_encoding([head]).confidence < 0.5):
        raise FeedError(
            f"{name}: damaged or cut off (not a {SUFFIXES[suffix]} file, as {suffix} says); deliver it again, whole"
        )


def _format(head: bytes, filename: str, name: str, options: ReadOptions) -> str:
    """Returns the format of content by its first bytes and, where these are not certain, by the suffix of its name."""
    text = head.decode(detect_encoding([head]).name, errors="replace").lstrip("\ufeff \t\r\n\0")
    _refuse_others(head, text, name)
    expected = expected_format(filename)
    found = options.detected("format") or _certain_format(head, text, expected)
    if found is None and expected not in TEXT_FORMATS:
        found = _delimited_format(text, options)
    if found is None and expected is None:
        known = ", ".join(FORMAT_OF_SUFFIX)
        raise FeedError(
            f"{name}: neither the name nor the content shows the format; known suffixes are {known}; rename or convert "
            "the file"
        )
    return found or expected or ""


def _refuse_others(head: bytes, text: str, name: str) -> None:
    """Raises `FeedError` for content that is certainly no feed."""
    thing = next((thing for magic, thing in _OTHERS if head.startswith(magic)), None)
    if thing is not None:
        raise FeedError(f"{name}: the file is {thing}, not a feed; deliver a feed of products")
    if _HTML.match(text):
        raise FeedError(
            f"{name}: the file is an HTML page, maybe that of a login or of an error; deliver the feed itself"
        )


def _certain_format(head: bytes, text: str, expected: str | None) -> str | None:
    """Returns the format that the first bytes show beyond doubt; None where they might be of several."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_OLE):
        return "spreadsheet"
    if _XML.match(text):
        return "google_xml"
    if _JSON.match(text):
        return expected if expected is not None and "json" in expected else "json_lines"
    return None


def _delimited_format(text: str, options: ReadOptions) -> str | None:
    """Returns the format of delimited text whose header has an id; None for anything else."""
    content = text.encode("utf-8", errors="replace")
    content = content[: content.rfind(b"\n") + 1] or content
    options = replace(options, findings=None)
    try:
        layout = detect_layout(content, "", options, ",")
    except FeedError:
        return None
    if not num_known_names(layout.headers, options):
        return None
    return "google_tsv" if layout.dialect.is_tabs else "csv"
