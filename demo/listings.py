"""Listings: how a shop turns a picture into a feed row, broken links and broken rows included."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist, Pixels
from demo.faults import picture_link
from demo.feed_files import FeedRow
from demo.partners import Partner

BRANDS = ("Tarnhill", "Oakspun", "Ferrow", "Lindqvold")

# A picture's number over both sets; an `r` behind it means the same picture compressed again.
PICTURE_ID = re.compile(r"(0|[1-9][0-9]{0,4})(r?)")


def picture_number(picture_id: str) -> int | None:
    """The number (0 to 69,999) of the picture that an id means; None if it means none."""
    match = PICTURE_ID.fullmatch(picture_id)
    number = int(match[1]) if match else NUM_TRAIN + NUM_TEST
    return number if number < NUM_TRAIN + NUM_TEST else None


@dataclass(frozen=True, kw_only=True)
class Product:
    """What a partner lists: a picture under an item id of its own."""

    item_id: str
    picture_id: str


@dataclass(frozen=True, kw_only=True)
class Listings:
    """What every row is made from: pictures, the address that serves them, the seed of faults and prices."""

    data: FashionMnist
    shop_url: str
    seed: int

    def rows(
        self, partner: Partner, products: Sequence[Product], *, labelled_share: float, stream: int
    ) -> list[FeedRow]:
        """A row a product, in order; the `stream` keeps one feed's dice apart from another's."""
        rng = np.random.default_rng([self.seed, stream])
        num_labelled = round(labelled_share * len(products))
        labelled = set(rng.permutation(len(products))[:num_labelled].tolist())
        return [
            self._row(partner, product, labelled=index in labelled, rng=rng) for index, product in enumerate(products)
        ]

    def _row(self, partner: Partner, product: Product, *, labelled: bool, rng: np.random.Generator) -> FeedRow:
        number = int(product.picture_id.removesuffix("r"))
        label = self.data.label(number)
        categories = partner.categories[label] if labelled else partner.vague_categories
        brand = BRANDS[rng.integers(len(BRANDS))]
        colour = partner.colours[darkness(self.data.image(number))]
        return {
            "id": product.item_id,
            "title": partner.title.format(word=partner.words[label], colour=colour, brand=brand),
            "link": f"{self.shop_url}/item/{product.item_id}",
            "image_link": picture_link(self.shop_url, product.picture_id, self.seed),
            partner.category_attribute: categories[rng.integers(len(categories))],
            "brand": brand,
            **({"color": colour} if partner.tells_color else {}),
            "price": f"{rng.integers(9, 180)}.95 EUR",
            "availability": "in_stock",
        }


def darkness(image28: Pixels) -> int:
    """0 for a light garment, 1 for a medium, 2 for a dark one: in these negatives, bright means dark."""
    garment = image28[image28 > 0]
    return int(np.digitize(garment.mean(), (90, 160))) if garment.size else 0


def with_broken_rows(partner: Partner, rows: Sequence[FeedRow]) -> tuple[list[FeedRow], int]:
    """The feed with one row of each kind that is rejected, and how many these are.

    A row without an id and one with an id used before come on top. A category that nobody knows takes the
    place of a missing one, for such a product is kept, without a label.
    """
    broken = [{**rows[0], "id": ""}, rows[0]]
    middle = len(rows) // 2 + 1
    feed = [*rows[:middle], *broken, *rows[middle:]]
    if not partner.unknown_category:
        return feed, len(broken)
    unlabelled = next(index for index, row in enumerate(feed) if not row[partner.category_attribute])
    feed[unlabelled] = {**feed[unlabelled], partner.category_attribute: partner.unknown_category}
    return feed, len(broken) + 1
