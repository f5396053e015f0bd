"""Second demo catalog: a folder of clothing photographs as one partner's feeds, grouped by sender."""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.feed_files import FeedRow, tsv, write_if_changed

PARTNER = "wardrobe"
ROWS_PER_FEED = 2_000
AGE_GROUPS = {"True": "kids", "False": "adult", "": None}
PARTNERS_TOML = f"[partners.{PARTNER}]  # ids of the Google Product Taxonomy\n"


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A line of labels.csv; only the id is required."""

    image_id: str
    label: str | None
    google_id: int | None
    sender: str | None
    age_group: str | None  # adult or kids, as in Merchant Center


@dataclass(frozen=True, kw_only=True)
class ClothingCatalog:
    """Counts and files of the written catalog."""

    num_products: int
    num_labeled: int
    num_senders: int
    feeds: tuple[Path, ...]


def write_clothing(
    inbox: Path, reference: Path, *, folder: Path, taxonomy: Path, shop_url: str, sample: int | None = None
) -> ClothingCatalog:
    """Writes the photographs of `folder` as Merchant TSV feeds, with the reference files that they need.

    The sender becomes `item_group_id`, so that one person's near-identical images share a split. `sample` limits the
    number of photographs; the sample consists of whole senders and is always the same.
    """
    photographs = read_labels(folder)
    if sample is not None:
        photographs = sample_senders(photographs, sample)
    num_sold = Counter(photo.google_id for photo in photographs if photo.google_id is not None)
    value = "".join(f"{leaf},{num}\n" for leaf, num in sorted(num_sold.items()))
    write_if_changed(reference / "taxonomy.txt", taxonomy.read_bytes())
    write_if_changed(reference / "partners.toml", PARTNERS_TOML.encode())
    write_if_changed(reference / "business_value.csv", f"leaf,units_sold\n{value}".encode())
    rows = [_row(photo, shop_url.rstrip("/")) for photo in photographs]
    feeds = [
        write_if_changed(inbox / PARTNER / f"photographs-{number}.tsv", tsv(rows[start : start + ROWS_PER_FEED]))
        for number, start in enumerate(range(0, len(rows), ROWS_PER_FEED), start=1)
    ]
    return ClothingCatalog(
        num_products=len(rows),
        num_labeled=sum(num_sold.values()),
        num_senders=len({photo.sender for photo in photographs if photo.sender}),
        feeds=tuple(feeds),
    )


def clothing_images(folder: Path) -> Callable[[str], bytes | None]:
    """Returns a function from image id to the JPEG in the folder; None for an id that labels.csv does not list."""
    listed = {photo.image_id for photo in read_labels(folder)}

    def image(image_id: str) -> bytes | None:
        return (folder / "images" / f"{image_id}.jpg").read_bytes() if image_id in listed else None

    return image


def read_labels(folder: Path) -> list[Photograph]:
    """Reads the photographs that labels.csv lists, in its order."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return [
            Photograph(
                image_id=Path(row["path"]).stem,
                label=row["label"] or None,
                google_id=int(row["google_id"]) if row["google_id"] else None,
                sender=row["sender"] or None,
                age_group=AGE_GROUPS[row["kids"]],
            )
            for row in csv.DictReader(file)
        ]


def sample_senders(photographs: Sequence[Photograph], num: int) -> list[Photograph]:
    """Returns at most `num` photographs: whole senders in the order of a hash, each included if it still fits.

    A photograph without a sender counts as a sender of its own.
    """
    sizes = Counter(map(_sender_key, photographs))
    chosen: set[str] = set()
    room = num
    for key in _shuffled(sizes):
        if sizes[key] <= room:
            chosen.add(key)
            room -= sizes[key]
    return [photo for photo in photographs if _sender_key(photo) in chosen]


def _sender_key(photo: Photograph) -> str:
    return f"sender {photo.sender}" if photo.sender else f"image {photo.image_id}"


def _shuffled(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())


def _row(photo: Photograph, shop_url: str) -> FeedRow:
    return {
        "id": photo.image_id,
        "title": photo.label or "garment",
        "link": f"{shop_url}/item/{photo.image_id}",
        "image_link": f"{shop_url}/p/{photo.image_id}.jpg",
        "google_product_category": str(photo.google_id or ""),
        "product_type": photo.label or "",
        "age_group": photo.age_group or "",
        "item_group_id": photo.sender or "",
    }
