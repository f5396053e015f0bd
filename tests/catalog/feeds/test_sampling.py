"""Samples of feeds: the columns and first texts of every format, also of feeds with broken rows."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.feeds.feed import FeedError
from catalog.feeds.formats import FEED_READERS
from catalog.feeds.sampling import NUM_ROWS, SAMPLERS, Sample, sample_feed
from catalog.feeds.sources import FeedFile
from tests.catalog.feeds import reading

HEADER = ("Artikel-Nr.", "Bezeichnung", "Bild", "gruppe", "kategorie", "warengruppe")
ROWS = [("1", "Schuh", "http://a.example/1.jpg", "", "", "Schuhe"), ("2", "", "http://a.example/2.jpg", "", "", "")]
EXPECTED = {
    "Artikel-Nr.": ["1", "2"],
    "Bezeichnung": ["Schuh"],
    "Bild": ["http://a.example/1.jpg", "http://a.example/2.jpg"],
    "gruppe": [],
    "kategorie": [],
    "warengruppe": ["Schuhe"],
}


def sampled(tmp_path: Path, name: str, content: bytes) -> Sample:
    path = tmp_path / "hansen" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return sample_feed(FeedFile.in_inbox(UPath(path)))


def test_every_format_has_a_sampler() -> None:
    assert SAMPLERS.keys() == FEED_READERS.keys()


def test_columns_and_texts_of_each_format(tmp_path: Path) -> None:
    assert sampled(tmp_path, "a.csv", reading.as_csv(ROWS, HEADER)) == EXPECTED
    assert sampled(tmp_path, "a.tsv", reading.as_tsv(ROWS, HEADER)) == EXPECTED
    assert sampled(tmp_path, "a.xlsx", reading.as_spreadsheet(ROWS, HEADER)) == EXPECTED
    lines = b'{"Artikel-Nr.": 1, "Bild": ["a", "b"]}\n{"Artikel-Nr.": 2, "Preis": 3.5}\n'
    found = sampled(tmp_path, "a.jsonl", lines)
    assert found == {"Artikel-Nr.": ["1", "2"], "Bild": ["a,b"], "Preis": ["3.5"]}
    item = b"<item xmlns:g='http://base.google.com/ns/1.0'><g:id>1</g:id><Bild>a.jpg</Bild></item>"
    assert sampled(tmp_path, "a.xml", b"<rss><channel>" + item + b"</channel></rss>") == {
        "id": ["1"],
        "Bild": ["a.jpg"],
    }


def test_bytes_of_images_in_parquet_are_not_read_as_texts(tmp_path: Path) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"sku": ["1"], "label": [3], "image": [{"bytes": b"\xff", "path": "1.jpg"}], "raw": [b"\xff"]})
    written = io.BytesIO()
    pq.write_table(table, written)
    assert sampled(tmp_path, "a.parquet", written.getvalue()) == {"sku": ["1"], "label": ["3"]}


def test_broken_rows_are_skipped_and_only_the_first_are_read(tmp_path: Path) -> None:
    rows = b"".join(b"%d,x\nonly one field\n" % number for number in range(NUM_ROWS * 2))
    found = sampled(tmp_path, "a.csv", b"id,title\nx\n" + rows)
    assert len(found["id"]) == NUM_ROWS
    lines = sampled(tmp_path, "b.jsonl", b'{"id": "1"}\n{broken\n[1]\n{"id": "2"}\n')
    assert lines == {"id": ["1", "2"]}


@pytest.mark.parametrize("separator", [";", "\t", "|", "^", "~"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_dialect_and_encoding_are_detected_as_for_deliveries(separator: str, encoding: str, tmp_path: Path) -> None:
    lines = (("Artikel-Nr.", "Größe"), ("1", "groß"), ("2", "überlang"))
    content = "".join(separator.join(line) + "\r\n" for line in lines).encode(encoding)
    assert sampled(tmp_path, "a.csv", content) == {"Artikel-Nr.": ["1", "2"], "Größe": ["groß", "überlang"]}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.jsonl", b"\n", "no product in it"),
        ("a.parquet", b"PAR1", "not a readable Parquet file"),
        ("a.xml", b"<rss><item>", "broken XML"),
        ("a.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><rss/>", "remove the DOCTYPE"),
    ],
)
def test_what_is_no_feed_is_refused(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=words):
        sampled(tmp_path, name, content)
