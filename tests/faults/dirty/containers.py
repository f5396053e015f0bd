"""Feeds in archives, feeds whose suffix lies, and what is no feed at all."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.dirty.feed_case import FeedCase

LINK = "https://shop.example/a.jpg"
TSV = f"id\ttitle\timage_link\tgoogle_product_category\na\tRed dress\t{LINK}\t2271\n".encode()
CSV = TSV.replace(b"\t", b",")
XML = (
    b'<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>a</g:id>'
    b"<title>Red dress</title><g:image_link>%s</g:image_link></item></channel></rss>" % LINK.encode()
)
JSON = json.dumps({"id": "a", "title": "Red dress", "image_link": LINK}).encode() + b"\n"
PRODUCTS = {"a": {"title": "Red dress", "image_url": LINK}}


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _encrypted() -> bytes:
    packed = bytearray(zipped({"feed.tsv": TSV}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def _unknown_method() -> bytes:
    packed = bytearray(zipped({"feed.tsv": TSV}))
    directory = packed.index(b"PK\x01\x02")
    packed[8:10] = packed[directory + 10 : directory + 12] = (9).to_bytes(2, "little")
    return bytes(packed)


def _declared(num_bytes: int) -> bytes:
    """A zip file whose directory declares that its feed unpacks to that size."""
    packed = bytearray(zipped({"feed.tsv": TSV * 2}))
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = num_bytes.to_bytes(4, "little")
    return bytes(packed)


def _zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"], "title": ["Red dress"], "image_link": [LINK]}), file)
    return file.getvalue()


def _read(name: str, source: str, file: str, content: bytes) -> FeedCase:
    return FeedCase(name=name, source=source, file=file, content=content, products=PRODUCTS)


def _refused(name: str, source: str, file: str, content: object, refusal: str) -> FeedCase:
    return FeedCase(name=name, source=source, file=file, content=content, refusal=refusal)  # type: ignore[arg-type]


CASES = (
    _read("bz2", "a Unix export", "spring.tsv.bz2", bz2.compress(TSV)),
    _read("xz", "a Linux export", "spring.csv.xz", lzma.compress(CSV)),
    _read("xz-of-two-streams", "pixz", "spring.tsv.xz", lzma.compress(TSV[:20]) + lzma.compress(TSV[20:])),
    _read("zst", "a data team's export", "spring.tsv.zst", _zstd(TSV)),
    _read(
        "gz-of-two-members", "files joined by cat", "spring.tsv.gz", gzip.compress(TSV[:20]) + gzip.compress(TSV[20:])
    ),
    _read("zip", "a person who packed the feed", "spring.zip", zipped({"export/spring.tsv": TSV})),
    _read("zip-of-xml", "a shop system's export", "spring.xml.zip", zipped({"products.xml": XML})),
    _read("zip-bzip2-method", "an archive program", "spring.zip", zipped({"feed.csv": CSV}, zipfile.ZIP_BZIP2)),
    _read(
        "zip-with-macos-files-and-a-readme",
        "the Finder of macOS",
        "spring.zip",
        zipped({"spring.csv": CSV, "__MACOSX/._spring.csv": b"\0\5\x16\7", ".DS_Store": b"x", "Readme.txt": b"Hello"}),
    ),
    _read("zip-in-another-encoding", "Windows", "spring.zip", zipped({"feed.txt": TSV.decode().encode("utf-16")})),
    _read("zip-path-upwards", "a hostile archive", "spring.zip", zipped({"../../etc/spring.tsv": TSV})),
    _read("gz-without-suffix", "a server that packs", "spring.tsv", gzip.compress(TSV)),
    _read("gz-suffix-and-not-packed", "a client that unpacked a response", "spring.tsv.gz", TSV),
    _read("zip-named-csv", "an upload form", "spring.csv", zipped({"feed.csv": CSV})),
    _read("xml-named-csv", "a wrong setting of an export", "spring.csv", XML),
    _read(
        "xml-named-txt-after-blank-lines",
        "a PHP script",
        "spring.txt",
        b"\n\n" + XML.removeprefix(b'<?xml version="1.0"?>'),
    ),
    _read("json-lines-named-txt", "a crawler's output", "spring.txt", JSON),
    _read("csv-named-xml", "a wrong setting of an export", "spring.xml", CSV),
    _read("tsv-named-jsonl", "a wrong setting of an export", "spring.jsonl", TSV),
    _read("parquet-named-csv", "a data team's export", "spring.csv", _parquet()),
    _read("no-suffix", "a download by curl", "spring", TSV),
    _read("suffix-of-a-script", "a shop's script", "export.php", CSV.replace(b",", b";")),
    _refused(
        "zip-of-two-feeds",
        "an export by language",
        "spring.zip",
        zipped({"de.csv": CSV, "fr.csv": CSV}),
        r"several files .*'de.csv', 'fr.csv'; deliver each feed",
    ),
    _refused(
        "zip-without-a-feed",
        "an archive of images",
        "spring.zip",
        zipped({"__MACOSX/x": b"x"}),
        "no feed in the zip file",
    ),
    _refused(
        "zip-encrypted", "a careful partner", "spring.zip", _encrypted, "encrypted; deliver it without a password"
    ),
    _refused("zip-of-an-unknown-method", "a modern archive program", "spring.zip", _unknown_method, "by method 9"),
    _refused(
        "zip-in-zip",
        "two people who packed",
        "spring.zip",
        zipped({"a.zip": zipped({"a.tsv": TSV})}),
        "archive within the archive",
    ),
    _refused(
        "gz-in-gz",
        "two programs that packed",
        "spring.tsv.gz",
        gzip.compress(gzip.compress(TSV)),
        "archive within the archive",
    ),
    _refused("zip-bomb", "a hostile archive", "spring.zip", _declared(2_000_000_000), "more than 500 times its size"),
    _refused("zip-that-understates-its-size", "a hostile archive", "spring.zip", _declared(50), "damaged or cut off"),
    _refused(
        "zip-cut-off",
        "an upload that was cut off",
        "spring.zip",
        zipped({"a.tsv": TSV * 50})[:-30],
        "not a readable zip file",
    ),
    _refused(
        "zip-with-a-wrong-checksum",
        "a damaged disk",
        "spring.zip",
        zipped({"a.tsv": TSV}, zipfile.ZIP_STORED).replace(b"Red", b"Bed"),
        "damaged or cut off",
    ),
    _refused(
        "xz-cut-off", "an upload that was cut off", "spring.tsv.xz", lzma.compress(TSV * 50)[:-20], "damaged or cut off"
    ),
    _refused(
        "html-page",
        "a login page in place of the feed",
        "spring.csv",
        b"<!DOCTYPE html><html><body>Login</body></html>",
        "HTML page",
    ),
    _refused("pdf", "a price list as a document", "spring.csv", b"%PDF-1.7\n...", "a PDF document"),
    _refused("image", "a wrong file", "spring.txt", b"\x89PNG\r\n\x1a\n\0\0\0", "an image"),
    _refused(
        "no-format", "a note", "spring", b"Hello,\nthe feed comes tomorrow.\n", "neither the name nor the content"
    ),
)
