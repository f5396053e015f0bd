"""A partner's own attribute names: a mapping renames them, in every format."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import read

NAMES = {"Artikelnummer": "id", "Bild-URL": "image_link"}


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"artikelnummer": ["a"], "Bild-URL": ["http://x"], "title": ["Schuh"]}), file)
    return file.getvalue()


FEEDS = {
    "google_tsv": b"Artikelnummer\tBild-URL\ttitle\na\thttp://x\tSchuh\n",
    "csv": b"title,ARTIKELNUMMER,Bild-URL\nSchuh,a,http://x\n",
    "json_lines": json.dumps({"Artikelnummer": "a", "Bild-URL": "http://x", "title": "Schuh"}).encode(),
    "google_xml": b"<rss><channel><item><Artikelnummer>a</Artikelnummer><Bild-URL>http://x</Bild-URL>"
    b"<title>Schuh</title></item></channel></rss>",
    "parquet": parquet(),
}


@pytest.mark.parametrize("feed_format", FEEDS)
def test_the_partner_s_names_are_read_as_the_attributes_they_are_mapped_to(feed_format: str) -> None:
    rows = read(feed_format, FEEDS[feed_format], NAMES).rows
    assert rows.select("item_id", "image_url", "title").rows() == [("a", "http://x", "Schuh")]


def test_a_mapped_name_goes_before_merchant_center_s_own() -> None:
    rows = read("google_tsv", b"id\tsku\n1\ta\n", {"sku": "id"}).rows
    assert rows["item_id"].to_list() == ["a"]


@pytest.mark.parametrize("feed_format", ["google_tsv", "csv", "parquet"])
def test_a_mapped_name_that_a_table_lacks_is_refused_by_name(feed_format: str) -> None:
    with pytest.raises(FeedError, match=r"feed\.x: no column 'Bildlink'; the header has '(?i:artikelnummer|title)'"):
        read(feed_format, FEEDS[feed_format], {"Artikelnummer": "id", "Bildlink": "image_link"})


@pytest.mark.parametrize("feed_format", ["json_lines", "google_xml"])
def test_a_mapped_id_that_no_product_has_is_refused_in_formats_without_a_header(feed_format: str) -> None:
    with pytest.raises(FeedError, match=r"feed\.x: no product has 'Nummer', mapped to 'id'; correct the mapping"):
        read(feed_format, FEEDS[feed_format], {"Nummer": "id"})
    assert read(feed_format, FEEDS[feed_format], NAMES | {"Marke": "brand"}).rows["brand"].to_list() == [None]
