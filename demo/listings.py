"""Listings: feed rows of images, with broken links and broken rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist, Pixels
from demo.faults import image_link
from demo.feed_files import FeedRow
from demo.partners import Partner

BRANDS = ("Tarnhill", "Oakspun", "Ferrow", "Lindqvold")

# An image's number over both sets; an `r` behind it means the same image compressed again.
IMAGE_ID = re.compile(r"(0|[1-9][0-9]{0,4})(r?)")


def image_number(image_id: str) -> int | None:
    """Returns the number of an image id, 0 to 69,999, or None for an unknown id."""
    match = IMAGE_ID.fullmatch(image_id)
    number = int(match[1]) if match else NUM_TRAIN + NUM_TEST
    return number if number < NUM_TRAIN + NUM_TEST else None


@dataclass(frozen=True, kw_only=True)
class Product:
    """A partner's product: an image with an item id."""

    item_id: str
    image_id: str


@dataclass(frozen=True, kw_only=True)
class Listings:
    """The common inputs of feed rows: images, the shop's address, and the seed of faults and prices."""

    data: FashionMnist
    shop_url: str
    seed: int

    def rows(
        self, partner: Partner, products: Sequence[Product], *, labeled_share: float, stream: int
    ) -> list[FeedRow]:
        """Returns one row per product, in order; `stream` is the number of the feed's random stream."""
        rng = np.random.default_rng([self.seed, stream])
        num_labeled = round(labeled_share * len(products))
        labeled = set(rng.permutation(len(products))[:num_labeled].tolist())
        return [
            self._row(partner, product, labeled=index in labeled, rng=rng) for index, product in enumerate(products)
        ]

    def _row(self, partner: Partner, product: Product, *, labeled: bool, rng: np.random.Generator) -> FeedRow:
        number = int(product.image_id.removesuffix("r"))
        label = self.data.label(number)
        categories = partner.categories[label] if labeled else partner.vague_categories
        brand = BRANDS[rng.integers(len(BRANDS))]
        color = partner.colors[darkness(self.data.image(number))]
        return {
            "id": product.item_id,
            "title": partner.title.format(word=partner.words[label], color=color, brand=brand),
            "link": f"{self.shop_url}/item/{product.item_id}",
            "image_link": image_link(self.shop_url, product.image_id, self.seed),
            partner.category_attribute: categories[rng.integers(len(categories))],
            "brand": brand,
            **({"color": color} if partner.lists_color else {}),
            "price": f"{rng.integers(9, 180)}.95 EUR",
            "availability": "in_stock",
        }


def darkness(image28: Pixels) -> int:
    """Returns 0 for a light garment, 1 for a medium, 2 for a dark one; in these negatives, bright means dark."""
    garment = image28[image28 > 0]
    return int(np.digitize(garment.mean(), (90, 160))) if garment.size else 0


def with_broken_rows(partner: Partner, rows: Sequence[FeedRow]) -> tuple[list[FeedRow], int]:
    """Returns the feed with one broken row of each kind, and their number.

    A row without an id and one with a duplicate id are added. An unknown category replaces a missing one, because such
    a product is kept without a label.
    """
    broken = [{**rows[0], "id": ""}, rows[0]]
    middle = len(rows) // 2 + 1
    feed = [*rows[:middle], *broken, *rows[middle:]]
    if not partner.unknown_category:
        return feed, len(broken)
    unlabeled = next(index for index, row in enumerate(feed) if not row[partner.category_attribute])
    feed[unlabeled] = {**feed[unlabeled], partner.category_attribute: partner.unknown_category}
    return feed, len(broken) + 1
