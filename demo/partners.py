"""Partners of the demo: three invented shops with three feed formats and three ways to name a category."""

import csv
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from catalog.taxonomy.tree import Taxonomy

REFERENCE = Path(__file__).parent / "reference"

# The leaf of the demo's taxonomy for each Fashion-MNIST class, in the order of `fashion_mnist.CLASSES`.
LEAVES = (9000001, 204, 9000002, 2271, 5598, 9000004, 9000003, 9000005, 3032, 9000006)

ENGLISH_WORDS = (
    "T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Handbag", "Ankle boot",
)  # fmt: skip
GERMAN_WORDS = (
    "T-Shirt", "Hose", "Pullover", "Kleid", "Mantel", "Sandale", "Hemd", "Turnschuh", "Tasche", "Stiefelette",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Partner:
    """A shop: its feed format, and its words and categories for the ten classes."""

    name: str
    extension: str  # a key of `feed_files.FEED_WRITERS`
    item_id: str  # a template: item_id.format(serial)
    category_attribute: str  # google_product_category or product_type
    categories: tuple[tuple[str, ...], ...]  # for each class, the names that this shop uses
    vague_categories: tuple[str, ...] = ("",)  # written instead of a usable category
    unknown_category: str = ""  # category of a broken row of this shop; none if empty
    words: tuple[str, ...] = ENGLISH_WORDS
    colors: tuple[str, str, str] = ("white", "gray", "black")
    lists_color: bool = False  # as a separate attribute
    title: str = "{word}, {color}, by {brand}"


def partners() -> tuple[Partner, ...]:
    """Returns the three shops that deliver the demo's training images."""
    ids = tuple((str(leaf),) for leaf in LEAVES)
    taxonomy = Taxonomy.read(UPath(REFERENCE / "taxonomy.txt"))
    return (
        Partner(
            name="northloom",
            extension="tsv",
            item_id="NL-{:06d}",
            category_attribute="google_product_category",
            categories=ids,
            unknown_category="9999999",
            lists_color=True,
        ),
        Partner(
            name="harbourhem",
            extension="xml",
            item_id="hh{:06d}",
            category_attribute="google_product_category",
            categories=tuple((taxonomy.path(leaf),) for leaf in LEAVES),
            unknown_category="Apparel & Accessories > Clothing > Cravats",
        ),
        Partner(
            name="zwirnwald",
            extension="parquet",
            item_id="4047{:09d}",
            category_attribute="product_type",
            categories=_product_types("zwirnwald"),
            vague_categories=("", "Neuheiten", "Sale > Alles reduziert", "Damen > Bekleidung"),
            words=GERMAN_WORDS,
            colors=("weiß", "grau", "schwarz"),
            title="{word}, {color}, von {brand}",
        ),
    )


def golden_partner() -> Partner:
    """Returns the partner of the verified delivery, with every row labeled by id."""
    return Partner(
        name="golden",
        extension="tsv",
        item_id="golden-{:05d}",
        category_attribute="google_product_category",
        categories=tuple((str(leaf),) for leaf in LEAVES),
        lists_color=True,
    )


def _product_types(partner: str) -> tuple[tuple[str, ...], ...]:
    """Returns for each class the product types that the partner's mapping assigns to its leaf."""
    with (REFERENCE / f"{partner}-product-types.csv").open(encoding="utf-8", newline="") as file:
        mapping = {row["product_type"]: int(row["category"]) for row in csv.DictReader(file)}
    return tuple(tuple(name for name, leaf in mapping.items() if leaf == wanted) for wanted in LEAVES)
