"""Demo catalog: Fashion-MNIST's images as nine feed files of three partners and a golden one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist, encode_jpeg, render
from demo.feed_files import FEED_WRITERS, FeedRow, write_if_changed
from demo.listings import Listings, Product, image_number, with_broken_rows
from demo.partners import REFERENCE, Partner, golden_partner, partners

FEED_NAMES = ("spring", "summer", "autumn")  # of every partner
EXTRA_FEED_NAME = "restock"
LABELED_SHARE = 0.2  # of a partner's products; the golden feed is labeled throughout
PRODUCTS_PER_GOLDEN = (NUM_TRAIN + NUM_TEST) // NUM_TEST
MIN_PRODUCTS = 140  # below it a feed would be too short to label a fifth of it
MAX_COPIES = 24  # of each kind; never more than one product in a hundred
RECOMPRESSED_QUALITY = 60

# Random streams of the seed; feeds 0 to 8 have their own.
GOLDEN_STREAM, EXTRA_STREAM, ORDER_STREAM, MIXING_STREAM = 100, 101, 102, 103


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Counts of the feeds' rows: products are accepted rows, broken rows are rejected."""

    num_products: int
    num_golden: int
    num_labeled: int  # of the partners' products
    num_exact_copies: int  # listed again under the same link
    num_near_copies: int  # listed again, recompressed, under another link
    num_broken_rows: int  # includes products of an unknown category, which are kept
    feeds: tuple[Path, ...]


def write_catalog(
    inbox: Path, reference: Path, *, data: FashionMnist, seed: int, shop_url: str, num_products: int = 12_000
) -> Catalog:
    """Writes ten feeds into `inbox/PARTNER/`, and taxonomy, partners and business value into `reference`.

    One product in seven is an image of the official test set, in the golden feed; the others are training
    images, a few of them listed twice. The same arguments write the same bytes, and unchanged files stay untouched.

    Raises:
        ValueError: there are too few images.
    """
    if not MIN_PRODUCTS <= num_products <= NUM_TRAIN + NUM_TEST:
        raise ValueError(f"cannot list {num_products} products; choose {MIN_PRODUCTS} to {NUM_TRAIN + NUM_TEST}")
    listings = Listings(data=data, shop_url=shop_url.rstrip("/"), seed=seed)
    copy_reference(reference)
    golden = golden_feed(listings, num_products // PRODUCTS_PER_GOLDEN)
    num_listed = num_products - len(golden)
    num_copies = min(MAX_COPIES, num_listed // 100)
    feeds = [_write(inbox, golden_partner(), "test-set", golden)]
    num_labeled = num_broken = 0
    for stream, (partner, name, products) in enumerate(_assignments(num_listed, num_copies, seed)):
        rows = listings.rows(partner, products, labeled_share=LABELED_SHARE, stream=stream)
        rows, num_broken_here = with_broken_rows(partner, rows)
        num_broken += num_broken_here
        num_labeled += round(LABELED_SHARE * len(products))
        feeds.append(_write(inbox, partner, name, rows))
    return Catalog(
        num_products=num_products,
        num_golden=len(golden),
        num_labeled=num_labeled,
        num_exact_copies=num_copies,
        num_near_copies=num_copies,
        num_broken_rows=num_broken,
        feeds=tuple(feeds),
    )


def write_extra_feed(
    inbox: Path, *, data: FashionMnist, seed: int, shop_url: str, num_products: int, num_extra: int
) -> Path:
    """Writes another feed of the first partner: labeled products with images that the first catalog did not use.

    `seed` and `num_products` are those of the first catalog.

    Raises:
        ValueError: too few images are left.
    """
    num_listed = num_products - num_products // PRODUCTS_PER_GOLDEN
    numbers = _training_order(seed)[num_listed : num_listed + num_extra]
    if len(numbers) < num_extra:
        raise ValueError(
            f"a catalog of {num_products} products leaves {len(numbers)} images, too few for an"
            f" extra feed of {num_extra}; choose a smaller catalog or feed"
        )
    partner = partners()[0]
    products = _products(partner, [str(number) for number in numbers], first_serial=num_listed)
    listings = Listings(data=data, shop_url=shop_url.rstrip("/"), seed=seed)
    rows = listings.rows(partner, products, labeled_share=1.0, stream=EXTRA_STREAM)
    return _write(inbox, partner, EXTRA_FEED_NAME, rows)


def image_source(data: FashionMnist) -> Callable[[str], bytes | None]:
    """Returns a function from image id to JPEG, rendered on demand; None for an unknown id."""

    def image(image_id: str) -> bytes | None:
        number = image_number(image_id)
        if number is None:
            return None
        pixels = data.image(number)
        return encode_jpeg(pixels, quality=RECOMPRESSED_QUALITY) if image_id.endswith("r") else render(pixels)

    return image


def golden_feed(listings: Listings, num_golden: int) -> list[FeedRow]:
    """Returns `num_golden` labeled rows with images of the official test set, drawn by the seed."""
    numbers = NUM_TRAIN + np.random.default_rng([listings.seed, GOLDEN_STREAM]).permutation(NUM_TEST)[:num_golden]
    partner = golden_partner()
    products = _products(partner, [str(number) for number in numbers], first_serial=0)
    return listings.rows(partner, products, labeled_share=1.0, stream=GOLDEN_STREAM)


def copy_reference(reference: Path) -> None:
    """Copies taxonomy, partners, category mappings and business value to the reference folder."""
    for file in sorted(REFERENCE.iterdir()):
        write_if_changed(reference / file.name, file.read_bytes())


def _assignments(num_listed: int, num_copies: int, seed: int) -> list[tuple[Partner, str, list[Product]]]:
    """Assigns products, originals and copies mixed, to the partners' feeds."""
    originals = [str(number) for number in _training_order(seed)[: num_listed - 2 * num_copies]]
    copied = originals[: 2 * num_copies]
    copies = copied[:num_copies] + [f"{image_id}r" for image_id in copied[num_copies:]]
    listed = np.random.default_rng([seed, MIXING_STREAM]).permutation(originals + copies)
    feeds = [(partner, name) for partner in partners() for name in FEED_NAMES]
    parts = np.array_split(listed, len(feeds))
    starts = np.cumsum([0, *map(len, parts)])
    return [
        (partner, name, _products(partner, part.tolist(), first_serial=int(start)))
        for (partner, name), part, start in zip(feeds, parts, starts[:-1], strict=True)
    ]


def _training_order(seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, ORDER_STREAM]).permutation(NUM_TRAIN)


def _products(partner: Partner, image_ids: Sequence[str], *, first_serial: int) -> list[Product]:
    return [
        Product(item_id=partner.item_id.format(first_serial + index), image_id=image_id)
        for index, image_id in enumerate(image_ids)
    ]


def _write(inbox: Path, partner: Partner, name: str, rows: Sequence[FeedRow]) -> Path:
    content = FEED_WRITERS[partner.extension](rows)
    return write_if_changed(inbox / partner.name / f"{name}.{partner.extension}", content)
