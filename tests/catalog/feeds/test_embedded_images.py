"""Parquet feeds with images, as Hugging Face datasets writes them: downloads read the bytes from the parts."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.download.image_roots import Roots
from catalog.feeds.deliveries import PARTS
from catalog.feeds.delivery_rows import delivered_batches
from catalog.feeds.embedded_images import read_parquet_feed
from catalog.feeds.feed import FeedError
from catalog.products.parsing import parse_products
from catalog.products.partners import PartnerSettings
from catalog.taxonomy.tree import Taxonomy
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.download.shop_deliveries import check_complete, stored
from tests.catalog.feeds.reading import read
from tests.catalog.feeds.registering import drop, records_of, registered, source_of
from tests.catalog.images.sample_images import jpeg

CLASSES = ["Hat", "Shoe"]
TAXONOMY = Taxonomy.parse("1 - Hat\n2 - Shoe\n", "taxonomy.txt")
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def hugging_face(num_rows: int, **columns: list[Any]) -> bytes:
    """A Parquet file of the real library, with an Image and a ClassLabel column."""
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)}
        | {name: datasets.Value("string") for name in columns}
    )
    images = [{"bytes": jpeg(40, 30, seed=seed), "path": None} for seed in range(num_rows)]
    rows = {"image": images, "label": [seed % 2 for seed in range(num_rows)], **columns}
    file = io.BytesIO()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    return file.getvalue()


def parquet(images: list[dict[str, Any] | None], metadata: dict[str, str] | None = None, **columns: Any) -> bytes:
    table = pa.table({"image": pa.array(images, IMAGE_TYPE), **columns})
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return file.getvalue()


def test_file_of_datasets_is_registered_parsed_and_downloaded_as_it_is(tmp_path: Path) -> None:
    feed = drop(tmp_path, "train.parquet", hugging_face(7))
    deliveries = registered(feed, max_rows=3)
    assert [each.part.num_rows for each in deliveries] == [3, 3, 1]
    records = records_of(feed)
    mapping = PartnerSettings(partner_id="hansen", product_types={"Hat": "1", "Shoe": "2"})
    products = pl.concat(
        [
            parse_products(
                delivered_batches(each, source_of(feed, each)), partner=mapping, delivery=each.key, taxonomy=TAXONOMY
            ).products
            for each in deliveries
        ]
    )
    assert products["category_id"].to_list() == [1, 2, 1, 2, 1, 2, 1]
    assert products["product_type"].to_list() == ["Hat", "Shoe"] * 3 + ["Hat"]
    wanted = products.select("product_id", "image_url")
    assert all(link.startswith("part:hansen.train/") and len(link) < 150 for link in wanted["image_url"])
    folder = UPath(tmp_path / "store")
    settings = replace(SETTINGS, parts=str(records / PARTS))
    outcomes = download(wanted, folder, settings)
    check_complete(wanted, outcomes, folder)
    images = stored(folder)
    assert [images[product_id] for product_id in wanted["product_id"]] == [jpeg(40, 30, seed=seed) for seed in range(7)]
    assert download(wanted, folder, settings).equals(outcomes)


def test_small_feed_with_images_is_one_delivery_with_a_part(tmp_path: Path) -> None:
    feed = drop(tmp_path, "train.parquet", hugging_face(2, id=["a", "b"], title=["A hat", "A shoe"]))
    (delivery,) = registered(feed)
    assert delivery.key == "hansen.train"
    (batch,) = delivered_batches(delivery, source_of(feed, delivery))
    assert batch.rows["item_id"].to_list() == ["a", "b"]
    assert batch.rows["title"].to_list() == ["A hat", "A shoe"]
    images = records_of(feed) / delivery.part.images
    assert images.read_bytes() == jpeg(40, 30, seed=0) + jpeg(40, 30, seed=1)
    images.unlink()  # then the feed is converted again
    assert registered(feed) == [delivery]
    assert images.exists()


def test_links_of_parts_select_each_image(tmp_path: Path) -> None:
    feed = drop(tmp_path, "train.parquet", hugging_face(3))
    (delivery,) = registered(feed)
    roots = Roots({}, str(records_of(feed) / PARTS))
    (batch,) = delivered_batches(delivery, source_of(feed, delivery))
    for seed, link in enumerate(batch.rows["image_url"]):
        found = roots.find(link)
        assert found.offset is not None
        assert Path(found.place).read_bytes()[found.offset :][: found.length] == jpeg(40, 30, seed=seed)


def test_row_without_bytes_keeps_its_path_or_link() -> None:
    content = parquet(
        [{"bytes": None, "path": "photos:1.jpg"}, None, {"bytes": None, "path": None}],
        id=["a", "b", "c"],
        image_link=[None, "https://shop.example/2.jpg", None],
    )
    batch = read("parquet", content)
    assert batch.rows["image_url"].to_list() == ["photos:1.jpg", "https://shop.example/2.jpg", None]


def test_products_without_an_id_are_named_after_their_image() -> None:
    images = [{"bytes": jpeg(40, 30, seed=seed), "path": "same.jpg"} for seed in (0, 1, 0)]
    ids = read("parquet", parquet(images)).rows["item_id"].to_list()
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 32


def test_own_names_select_image_and_label() -> None:
    images = pa.array([{"bytes": jpeg(20, 20), "path": None}], IMAGE_TYPE)
    content = parquet([{"bytes": b"thumbnail", "path": None}], photo=images, kind=["Hat"], sku=["7"])
    names = {"photo": "image_link", "kind": "google_product_category", "sku": "id"}
    batch = read("parquet", content, names)
    row = batch.rows.row(0, named=True)
    assert (row["item_id"], row["google_product_category"]) == ("7", "Hat")
    two = parquet([], photo=pa.array([], IMAGE_TYPE), scan=pa.array([], IMAGE_TYPE))
    renamed = pq.read_table(io.BytesIO(two)).rename_columns(["a", "b", "c"])
    file = io.BytesIO()
    pq.write_table(renamed, file)
    with pytest.raises(FeedError, match="several columns are images: 'a', 'b', 'c'; map one of them"):
        read("parquet", file.getvalue())


def test_one_large_image_for_every_row_is_never_decoded_as_a_whole() -> None:
    large, count = b"x" * 3_000_000, 3_000
    content = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([large], pa.binary()))
    images = pa.StructArray.from_arrays([content, pa.nulls(count, pa.string())], ["bytes", "path"])
    table = pa.table({"image": images, "id": [str(number) for number in range(count)]})
    file = io.BytesIO()
    pq.write_table(table, file, store_schema=False, dictionary_pagesize_limit=10_000_000)
    assert file.tell() < 4_000_000
    before = pa.total_allocated_bytes()
    peak = 0
    num_rows = 0
    for batch in read_parquet_feed(io.BytesIO(file.getvalue()), "feed.x"):
        assert batch.images is not None
        assert batch.images.of(num_rows + 1) == large
        num_rows += batch.rows.height
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert num_rows == count
    assert peak < 100_000_000


@pytest.mark.parametrize(
    "written", ["{", "[]", '{"info": {"features": {"label": {"_type": "ClassLabel", "names": 3}}}}']
)
def test_broken_metadata_is_refused(written: str) -> None:
    with pytest.raises(FeedError, match="metadata of Hugging Face datasets cannot be read"):
        read("parquet", parquet([None], {"huggingface": written}, id=["a"]))
