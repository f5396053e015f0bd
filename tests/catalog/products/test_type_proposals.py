"""Proposals for product types: near by text, also in German, and none where nothing is near."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.products.retail_words import GERMAN_WORDS
from catalog.products.type_proposals import propose_categories
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = UPath(Path(__file__).parents[3] / "demo" / "reference" / "taxonomy.txt")
CLOTHING = "Apparel & Accessories > Clothing"


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.read(TAXONOMY)


@pytest.mark.parametrize(
    ("product_type", "category"),
    [
        ("Damen > Hosen", f"{CLOTHING} > Pants"),
        ("Women's pants", f"{CLOTHING} > Pants"),
        ("Sommerkleider", f"{CLOTHING} > Dresses"),
        ("Dress", f"{CLOTHING} > Dresses"),
        ("Herren / Winterjacken", f"{CLOTHING} > Outerwear > Coats & Jackets"),
        (f"{CLOTHING.upper()}  >  dresses", f"{CLOTHING} > Dresses"),
    ],
)
def test_the_nearest_category_is_proposed(product_type: str, category: str, taxonomy: Taxonomy) -> None:
    [proposal] = propose_categories([product_type], taxonomy)
    assert proposal.category == category
    assert 0.4 <= proposal.score <= 1


def test_a_path_of_the_taxonomy_is_certain_and_words_that_say_nothing_have_no_category(taxonomy: Taxonomy) -> None:
    certain, new, odd = propose_categories([f"{CLOTHING} > Pants", "Neuheiten", "?!"], taxonomy)
    assert (certain.category, certain.score) == (f"{CLOTHING} > Pants", 1.0)
    assert (new.category, odd.category) == (None, None)
    assert max(new.score, odd.score) < 0.4


def test_the_names_of_other_languages_count(taxonomy: Taxonomy) -> None:
    text = "\n".join(f"{each} - {taxonomy.path(each)}" for each in taxonomy.ids)
    variant = Taxonomy.parse(text.replace("Pants", "Buxe"), "taxonomy.de-DE.txt")
    [proposal] = propose_categories(["Buxen"], taxonomy.with_language(variant, "taxonomy.de-DE.txt"))
    assert proposal.category == f"{CLOTHING} > Pants"


def test_german_words_are_written_as_they_are_looked_up() -> None:
    assert all(word == word.lower() for word in GERMAN_WORDS)
