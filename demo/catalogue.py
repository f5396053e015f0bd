"""The demo catalogue: Fashion-MNIST's pictures as nine feed files of three partners and a golden one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.fashion_mnist import NUM_TEST, NUM_TRAIN, FashionMnist, encode_jpeg, render
from demo.feed_files import FEED_WRITERS, FeedRow, place
from demo.listings import Listings, Product, picture_number, with_broken_rows
from demo.partners import REFERENCE, Partner, golden_partner, partners

FEED_NAMES = ("spring", "summer", "autumn")  # every partner delivers three
EXTRA_FEED_NAME = "restock"
LABELLED_SHARE = 0.2  # of a partner's products; the golden feed is labelled throughout
PRODUCTS_PER_GOLDEN = (NUM_TRAIN + NUM_TEST) // NUM_TEST
MIN_PRODUCTS = 140  # below it a feed would be too short to label a fifth of it
MAX_COPIES = 24  # of each kind; never more than one product in a hundred
RECOMPRESSED_QUALITY = 60

# The dice of the seed: feeds 0 to 8 have their own, and so have these.
GOLDEN_STREAM, EXTRA_STREAM, ORDER_STREAM, MIXING_STREAM = 100, 101, 102, 103


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the feeds hold: a product is a row that is taken, a broken row one that is rejected."""

    num_products: int
    num_golden: int
    num_labelled: int  # of the partners' products
    num_exact_copies: int  # listed again under the same link
    num_near_copies: int  # listed again, recompressed, under another link
    num_broken_rows: int  # the product of an unknown category is kept all the same
    feeds: tuple[Path, ...]


def write_catalogue(
    inbox: Path, reference: Path, *, data: FashionMnist, seed: int, shop_url: str, num_products: int = 12_000
) -> Catalogue:
    """Write ten feeds into `inbox/PARTNER/`; taxonomy, partners and business value into `reference`.

    One product in seven is a picture of the official test set, in the golden feed; the others are training
    pictures, a few of them listed twice. The same arguments give the same bytes, and files that hold them
    already stay untouched. Raises ValueError if there are not so many pictures.
    """
    if not MIN_PRODUCTS <= num_products <= NUM_TRAIN + NUM_TEST:
        raise ValueError(f"cannot make {num_products} products; choose {MIN_PRODUCTS} to {NUM_TRAIN + NUM_TEST}")
    listings = Listings(data=data, shop_url=shop_url.rstrip("/"), seed=seed)
    copy_reference(reference)
    golden = golden_feed(listings, num_products // PRODUCTS_PER_GOLDEN)
    num_listed = num_products - len(golden)
    num_copies = min(MAX_COPIES, num_listed // 100)
    feeds = [_write(inbox, golden_partner(), "test-set", golden)]
    num_labelled = num_broken = 0
    for stream, (partner, name, products) in enumerate(_assignments(num_listed, num_copies, seed)):
        rows = listings.rows(partner, products, labelled_share=LABELLED_SHARE, stream=stream)
        rows, num_broken_here = with_broken_rows(partner, rows)
        num_broken += num_broken_here
        num_labelled += round(LABELLED_SHARE * len(products))
        feeds.append(_write(inbox, partner, name, rows))
    return Catalogue(
        num_products=num_products,
        num_golden=len(golden),
        num_labelled=num_labelled,
        num_exact_copies=num_copies,
        num_near_copies=num_copies,
        num_broken_rows=num_broken,
        feeds=tuple(feeds),
    )


def write_extra_feed(
    inbox: Path, *, data: FashionMnist, seed: int, shop_url: str, num_products: int, num_extra: int
) -> Path:
    """One more delivery of the first partner: labelled products whose pictures the first catalogue left over.

    `seed` and `num_products` are those of the first catalogue. Raises ValueError if it left too few pictures.
    """
    num_listed = num_products - num_products // PRODUCTS_PER_GOLDEN
    numbers = _training_order(seed)[num_listed : num_listed + num_extra]
    if len(numbers) < num_extra:
        raise ValueError(
            f"a catalogue of {num_products} products leaves {len(numbers)} pictures over, too few for an"
            f" extra feed of {num_extra}; make the catalogue or the feed smaller"
        )
    partner = partners()[0]
    products = _products(partner, [str(number) for number in numbers], first_serial=num_listed)
    listings = Listings(data=data, shop_url=shop_url.rstrip("/"), seed=seed)
    rows = listings.rows(partner, products, labelled_share=1.0, stream=EXTRA_STREAM)
    return _write(inbox, partner, EXTRA_FEED_NAME, rows)


def picture_source(data: FashionMnist) -> Callable[[str], bytes | None]:
    """Picture id to JPEG, drawn on demand; None for an id that means no picture."""

    def picture(picture_id: str) -> bytes | None:
        number = picture_number(picture_id)
        if number is None:
            return None
        image = data.image(number)
        return encode_jpeg(image, quality=RECOMPRESSED_QUALITY) if picture_id.endswith("r") else render(image)

    return picture


def golden_feed(listings: Listings, num_golden: int) -> list[FeedRow]:
    """As many pictures of the official test set, drawn by the seed, every one labelled."""
    numbers = NUM_TRAIN + np.random.default_rng([listings.seed, GOLDEN_STREAM]).permutation(NUM_TEST)[:num_golden]
    partner = golden_partner()
    products = _products(partner, [str(number) for number in numbers], first_serial=0)
    return listings.rows(partner, products, labelled_share=1.0, stream=GOLDEN_STREAM)


def copy_reference(reference: Path) -> None:
    """Copy taxonomy, partners, category mappings and business value to where the assets read them."""
    for file in sorted(REFERENCE.iterdir()):
        place(reference / file.name, file.read_bytes())


def _assignments(num_listed: int, num_copies: int, seed: int) -> list[tuple[Partner, str, list[Product]]]:
    """Which products stand in which partner's feed: originals and copies mixed."""
    originals = [str(number) for number in _training_order(seed)[: num_listed - 2 * num_copies]]
    copied = originals[: 2 * num_copies]
    copies = copied[:num_copies] + [f"{picture_id}r" for picture_id in copied[num_copies:]]
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


def _products(partner: Partner, picture_ids: Sequence[str], *, first_serial: int) -> list[Product]:
    return [
        Product(item_id=partner.item_id.format(first_serial + index), picture_id=picture_id)
        for index, picture_id in enumerate(picture_ids)
    ]


def _write(inbox: Path, partner: Partner, name: str, rows: Sequence[FeedRow]) -> Path:
    content = FEED_WRITERS[partner.extension](rows)
    return place(inbox / partner.name / f"{name}.{partner.extension}", content)
