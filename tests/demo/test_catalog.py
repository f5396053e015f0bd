"""The demo catalog: real images as ten feeds, the same for the same seed."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from upath import UPath

from catalog.feeds.feed import DEFAULT_OPTIONS
from catalog.feeds.formats import FEED_READERS, format_of
from catalog.products.parsing import ParsedFeed, parse_products
from catalog.products.partners import read_partner
from catalog.taxonomy.tree import Taxonomy
from demo.catalog import Catalog, image_source, write_catalog, write_extra_feed
from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist, render
from demo.faults import Fault, fault_of
from demo.listings import darkness, image_number
from demo.partners import LEAVES, REFERENCE, partners

SEED, SHOP_URL, NUM_PRODUCTS = 7, "http://127.0.0.1:8765", 2_800
NUM_GOLDEN = NUM_PRODUCTS // 7


@pytest.fixture(scope="module")
def data() -> FashionMnist:
    """The data set's shape and its even classes; what the images show does not matter here."""
    rng = np.random.default_rng(0)
    return FashionMnist(
        train_images=rng.integers(0, 256, (NUM_TRAIN, 28, 28), dtype=np.uint8),
        train_labels=np.arange(NUM_TRAIN, dtype=np.uint32).astype(np.uint8) % 10,
        test_images=rng.integers(0, 256, (NUM_TEST, 28, 28), dtype=np.uint8),
        test_labels=np.arange(NUM_TEST, dtype=np.uint32).astype(np.uint8) % 10,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def catalog(data: FashionMnist, folder: Path) -> Catalog:
    return write(folder, data)


def take(feed: Path, reference: Path) -> ParsedFeed:
    """Parses a feed with the catalog's own code."""
    partner = read_partner(UPath(reference), feed.parent.name)
    taxonomy = Taxonomy.read(UPath(reference / "taxonomy.txt"))
    with feed.open("rb") as file:
        batches = FEED_READERS[format_of(feed.name)](file, feed.name, DEFAULT_OPTIONS)
        return parse_products(batches, partner=partner, delivery=feed.stem, taxonomy=taxonomy)


def write(folder: Path, data: FashionMnist, seed: int = SEED) -> Catalog:
    return write_catalog(
        folder / "inbox",
        folder / "reference",
        data=data,
        seed=seed,
        shop_url=SHOP_URL,
        num_products=NUM_PRODUCTS,
    )


@pytest.fixture(scope="module")
def parsed(catalog: Catalog, folder: Path) -> list[ParsedFeed]:
    return [take(feed, folder / "reference") for feed in catalog.feeds]


@pytest.fixture(scope="module")
def products(parsed: list[ParsedFeed]) -> pl.DataFrame:
    return pl.concat([taking.products for taking in parsed])


@pytest.fixture(scope="module")
def imaged(products: pl.DataFrame) -> pl.DataFrame:
    """The products whose link leads to the shop, with the image's id and number."""
    image_id = pl.col("image_url").str.extract(f"^{SHOP_URL}/p/([0-9]+r?)\\.jpg$")
    number = image_id.str.strip_suffix("r").cast(pl.Int64)
    return products.with_columns(image_id=image_id, number=number).drop_nulls("image_id")


def test_three_partners_deliver_three_feeds_each_in_a_format_of_their_own(catalog: Catalog) -> None:
    formats = Counter((feed.parent.name, format_of(feed.name)) for feed in catalog.feeds)
    assert formats == {
        ("northloom", "google_tsv"): 3,
        ("harbourhem", "google_xml"): 3,
        ("zwirnwald", "parquet"): 3,
        ("golden", "google_tsv"): 1,
    }


def test_the_parsed_products_are_exactly_the_requested_ones(products: pl.DataFrame, catalog: Catalog) -> None:
    assert products.height == catalog.num_products == NUM_PRODUCTS
    assert products["product_id"].n_unique() == NUM_PRODUCTS
    assert catalog.num_golden == NUM_GOLDEN == products.filter(partner_id="golden").height


def test_each_feed_has_a_row_of_each_kind_that_is_rejected(parsed: list[ParsedFeed], catalog: Catalog) -> None:
    reasons = Counter(reason for taking in parsed for reason in taking.rejected["reason"])
    # The third partner gives no Google category that could be wrong, and the golden feed was checked by hand.
    assert reasons == {"missing_id": 9, "duplicate_id": 9, "unknown_category": 6}
    assert sum(reasons.values()) == catalog.num_broken_rows


def test_every_partner_labels_all_ten_leaves_in_its_own_way(products: pl.DataFrame) -> None:
    labeled = products.drop_nulls("category_id")
    for partner_id in ("northloom", "harbourhem", "zwirnwald", "golden"):
        assert set(labeled.filter(partner_id=partner_id)["category_id"]) == set(LEAVES)
    sources = labeled.select("partner_id", "category_source").unique().rows()
    assert set(sources) == {
        ("northloom", "google_product_category"),
        ("harbourhem", "google_product_category"),
        ("zwirnwald", "product_type"),
        ("golden", "google_product_category"),
    }


def test_four_of_five_products_of_every_partner_carry_no_label(products: pl.DataFrame, catalog: Catalog) -> None:
    for partner in partners():
        has_label = products.filter(partner_id=partner.name)["category_id"].is_not_null()
        assert has_label.mean() == pytest.approx(0.2, abs=0.002)
    golden = products.filter(partner_id="golden")["category_id"]
    assert golden.null_count() == 0
    assert products["category_id"].count() - golden.count() == catalog.num_labeled


def test_a_label_is_the_leaf_of_the_image_s_class(imaged: pl.DataFrame, data: FashionMnist) -> None:
    labeled = imaged.drop_nulls("category_id")
    assert labeled.height > 800
    for number, leaf in labeled.select("number", "category_id").iter_rows():
        assert leaf == LEAVES[data.label(number)]


def test_the_golden_feed_holds_test_images_and_the_others_training_images(imaged: pl.DataFrame) -> None:
    is_golden, is_test = imaged["partner_id"] == "golden", imaged["number"] >= NUM_TRAIN
    assert is_golden.to_list() == is_test.to_list()


def test_links_are_invalid_according_to_the_seed_of_the_faults(products: pl.DataFrame, imaged: pl.DataFrame) -> None:
    assert 0.002 < 1 - imaged.height / products.height < 0.02
    assert Fault.INVALID_LINK not in {fault_of(image_id, SEED) for image_id in imaged["image_id"]}


def test_a_few_images_are_listed_twice_under_the_same_link_or_recompressed(
    imaged: pl.DataFrame, catalog: Catalog
) -> None:
    num_same_link = imaged.height - imaged["image_id"].n_unique()
    num_same_image = imaged.height - imaged["number"].n_unique()
    assert catalog.num_exact_copies == catalog.num_near_copies == 24
    assert 20 <= num_same_link <= 24  # the link of one or the other may be an invalid one
    assert 20 <= num_same_image - num_same_link <= 24


def test_the_taxonomy_has_more_leaves_than_the_ten_with_images() -> None:
    taxonomy = Taxonomy.read(UPath(REFERENCE / "taxonomy.txt"))
    assert len(set(LEAVES)) == 10
    assert set(LEAVES) < set(taxonomy.leaves)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others(
    catalog: Catalog, data: FashionMnist, folder: Path, tmp_path: Path
) -> None:
    again, other = write(tmp_path / "again", data), write(tmp_path / "other", data, seed=SEED + 1)
    for feed, twin, stranger in zip(catalog.feeds, again.feeds, other.feeds, strict=True):
        assert feed.read_bytes() == twin.read_bytes() != stranger.read_bytes()


def test_writing_again_touches_no_file(catalog: Catalog, data: FashionMnist, folder: Path) -> None:
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert write(folder, data) == catalog
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_the_reference_holds_what_the_assets_need(catalog: Catalog, folder: Path) -> None:
    assert {path.name for path in (folder / "reference").iterdir()} == {
        "taxonomy.txt",
        "partners.toml",
        "zwirnwald-product-types.csv",
        "business_value.csv",
    }


def test_every_leaf_has_a_business_value(catalog: Catalog, folder: Path) -> None:
    value = pl.read_csv(folder / "reference/business_value.csv")
    assert set(value["leaf"]) == set(Taxonomy.read(UPath(folder / "reference/taxonomy.txt")).leaves)
    assert value["units_sold"].min() > 0  # type: ignore[operator]


def test_the_extra_feed_brings_labeled_images_that_no_other_feed_has(
    products: pl.DataFrame, data: FashionMnist, folder: Path, tmp_path: Path
) -> None:
    feed = write_extra_feed(tmp_path, data=data, seed=SEED, shop_url=SHOP_URL, num_products=NUM_PRODUCTS, num_extra=300)
    extra = take(feed, folder / "reference").products
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [feed.name]
    assert extra.height == extra["category_id"].count() == 300
    links = extra["image_url"].filter(extra["image_url"].str.starts_with(SHOP_URL))
    assert links.n_unique() == links.len() > 280
    assert not set(links) & set(products["image_url"])
    assert not set(extra["product_id"]) & set(products["product_id"])


@pytest.mark.parametrize("num_products", [0, 139, 70_001])
def test_a_catalog_of_a_size_that_cannot_be_is_refused(num_products: int, data: FashionMnist, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"cannot list {num_products} products; choose 140 to 70000"):
        write_catalog(tmp_path, tmp_path, data=data, seed=SEED, shop_url=SHOP_URL, num_products=num_products)


def test_an_extra_feed_that_wants_more_images_than_are_left_is_refused(data: FashionMnist, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="70000 products leaves 0 images, too few for an extra feed of 1"):
        write_extra_feed(tmp_path, data=data, seed=SEED, shop_url=SHOP_URL, num_products=70_000, num_extra=1)


def test_the_image_source_draws_an_image_and_its_recompressed_copy(data: FashionMnist) -> None:
    image = image_source(data)
    original, copy = image("60007"), image("60007r")
    assert original == render(data.image(60_007))
    assert copy is not None
    assert copy != original
    with Image.open(io.BytesIO(copy)) as decoded:
        assert decoded.size == (112, 112)


@pytest.mark.parametrize("image_id", ["", "70000", "007", "-1", "12x", "12rr", "../7", "٣", "7\n"])
def test_an_unknown_image_id_has_no_image(image_id: str, data: FashionMnist) -> None:
    assert image_number(image_id) is None
    assert image_source(data)(image_id) is None


def test_a_bright_negative_is_a_dark_garment() -> None:
    for brightness, expected in ((40, 0), (120, 1), (220, 2)):
        image28 = np.zeros((28, 28), dtype=np.uint8)
        image28[5:20] = brightness
        assert darkness(image28) == expected
    assert darkness(np.zeros((28, 28), dtype=np.uint8)) == 0
