"""The clothing photographs as a second catalog, through the same readers."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.feeds.feed import DEFAULT_OPTIONS
from catalog.feeds.formats import FEED_READERS, format_of
from demo.clothing import ROWS_PER_FEED, Photograph, clothing_images, sample_senders, write_clothing

LINES = (
    # path, label, google_id, google_path, split, sender, kids
    (
        "images/a1.jpg",
        "Dress",
        "2271",
        "Apparel & Accessories > Clothing > Dresses",
        "labeled",
        "48",
        "False",
    ),
    ("images/a2.jpg", "Shoes", "187", "Apparel & Accessories > Shoes", "labeled", "48", "False"),
    ("images/b1.jpg", "Shoes", "187", "Apparel & Accessories > Shoes", "labeled", "204", "True"),
    ("images/c1.jpg", "", "", "", "unlabeled", "", ""),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clothing folder of four photographs."""
    (tmp_path / "clothing/images").mkdir(parents=True)
    with (tmp_path / "clothing/labels.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["path", "label", "google_id", "google_path", "split", "sender", "kids"])
        csv.writer(file).writerows(LINES)
    for path, *_ in LINES:
        (tmp_path / "clothing" / path).write_bytes(path.encode())
    return tmp_path / "clothing"


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    path = tmp_path / "taxonomy-with-ids.txt"
    path.write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n166 - Apparel & Accessories\n")
    return path


def test_the_photographs_become_feed_rows_with_sender_and_google_id(
    folder: Path, taxonomy: Path, tmp_path: Path
) -> None:
    written = write_clothing(
        tmp_path / "inbox",
        tmp_path / "reference",
        folder=folder,
        taxonomy=taxonomy,
        shop_url="http://127.0.0.1:8766/",
    )
    [feed] = written.feeds
    assert feed.parent == tmp_path / "inbox/wardrobe"
    with feed.open("rb") as file:
        [batch] = FEED_READERS[format_of(feed.name)](file, feed.name, DEFAULT_OPTIONS)
    columns = ("item_id", "title", "image_url", "google_product_category", "item_group_id")
    assert batch.rows.select(columns).rows() == [
        ("a1", "Dress", "http://127.0.0.1:8766/p/a1.jpg", "2271", "48"),
        ("a2", "Shoes", "http://127.0.0.1:8766/p/a2.jpg", "187", "48"),
        ("b1", "Shoes", "http://127.0.0.1:8766/p/b1.jpg", "187", "204"),
        ("c1", "garment", "http://127.0.0.1:8766/p/c1.jpg", None, None),
    ]
    assert (written.num_products, written.num_labeled, written.num_senders) == (4, 3, 2)


def test_the_reference_is_the_taxonomy_one_partner_and_the_label_counts(
    folder: Path, taxonomy: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference"
    write_clothing(tmp_path / "inbox", reference, folder=folder, taxonomy=taxonomy, shop_url="http://127.0.0.1:8766")
    assert (reference / "taxonomy.txt").read_bytes() == taxonomy.read_bytes()
    assert (reference / "partners.toml").read_text().startswith("[partners.wardrobe]")
    assert (reference / "business_value.csv").read_text() == "leaf,units_sold\n187,2\n2271,1\n"


def test_a_large_folder_becomes_several_feeds(folder: Path, taxonomy: Path, tmp_path: Path) -> None:
    with (folder / "labels.csv").open("a", newline="") as file:
        csv.writer(file).writerows((f"images/x{n}.jpg", *LINES[3][1:]) for n in range(ROWS_PER_FEED))
    written = write_clothing(
        tmp_path / "inbox",
        tmp_path / "reference",
        folder=folder,
        taxonomy=taxonomy,
        shop_url="http://127.0.0.1:8766",
    )
    assert [feed.name for feed in written.feeds] == ["photographs-1.tsv", "photographs-2.tsv"]
    assert [len(feed.read_text().splitlines()) - 1 for feed in written.feeds] == [ROWS_PER_FEED, len(LINES)]


def test_images_come_from_the_folder_and_from_nowhere_else(folder: Path) -> None:
    image = clothing_images(folder)
    assert image("a1") == b"images/a1.jpg"
    (folder / "images/unlisted.jpg").write_bytes(b"secret")
    for stranger in ("unlisted", "../images/a1", "", "a1.jpg"):
        assert image(stranger) is None


senders = st.sampled_from(["1", "2", "3", "4", None])


@given(st.lists(senders, max_size=40), st.integers(0, 50))
def test_a_sample_is_of_whole_senders_and_never_too_large(taken_by: list[str | None], num: int) -> None:
    photographs = [
        Photograph(image_id=str(index), label=None, google_id=None, sender=sender, age_group=None)
        for index, sender in enumerate(taken_by)
    ]
    sample = sample_senders(photographs, num)
    assert len(sample) <= num
    assert sample_senders(photographs[::-1], num) == sample[::-1]  # the order of the file does not matter
    whole, part = (Counter(photo.sender for photo in photos) for photos in (photographs, sample))
    assert all(part[sender] == whole[sender] for sender in part if sender)
    left_out = {sender: size for sender, size in whole.items() if sender and sender not in part}
    assert all(size > num - len(sample) for size in left_out.values())
