"""Spellings of categories: each names its one category, and no spelling of one ever names another."""

import pytest

from catalog.taxonomy.spellings import Spelling, Spellings
from catalog.taxonomy.tree import Taxonomy
from demo.partners import REFERENCE

TAXONOMY = Taxonomy.parse((REFERENCE / "taxonomy.txt").read_text(), "taxonomy.txt")
SPELLINGS = Spellings(TAXONOMY, TAXONOMY.resolve)
SEPARATORS = ("/", " / ", "|", ", ", "::", ": ", " - ", " » ", "->", " → ", "\\", ";")
AMBIGUOUS = Taxonomy.parse(
    "1 - Home\n2 - Home > Tables\n3 - Garden\n4 - Garden > Tables\n5 - Home > Tables > Round\n6 - A\n7 - A > B, C\n"
    "8 - A > B\n9 - A > B > C\n10 - Tables, Round\n",
    "own",
)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_path_with_any_separator_is_its_category_or_none(separator: str) -> None:
    found = {each: SPELLINGS.find(separator.join(TAXONOMY.path(each).split(" > "))) for each in TAXONOMY.ids}
    assert all(spelling is None or spelling.category_id == each for each, spelling in found.items())
    assert sum(spelling is not None for spelling in found.values()) > 0.99 * len(found)


def test_the_end_of_a_path_is_its_category_or_none() -> None:
    for each in TAXONOMY.ids:
        names = TAXONOMY.path(each).split(" > ")
        for start in range(1, len(names)):
            spelling = SPELLINGS.find(" > ".join(names[start:]))
            assert spelling is None or spelling.category_id == each


@pytest.mark.parametrize("text", ["Tables", "A/B/C", "A, B, C", "Tables/Round", "5 - Tables", "2 Home", ""])
def test_what_may_be_two_is_none(text: str) -> None:
    assert Spellings(AMBIGUOUS, AMBIGUOUS.resolve).find(text) is None


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("Home / Tables", Spelling(2, "separator")),
        ("round", Spelling(5, "name")),
        ("5 - Home > Tables > Round", Spelling(5, "line")),
        ("2, 5", Spelling(5, "several")),
        ("2; 3", Spelling(2, "first")),
        ("8 | 7", Spelling(6, "common")),
        ("Home > Tables;Garden > Tables", Spelling(2, "first")),
    ],
)
def test_what_is_one_for_certain_is_found(text: str, spelling: Spelling) -> None:
    assert Spellings(AMBIGUOUS, AMBIGUOUS.resolve).find(text) == spelling


def test_an_id_in_doubt_is_none_in_a_list_either() -> None:
    certain = Spellings(AMBIGUOUS, lambda text: None if text.strip() == "5" else AMBIGUOUS.resolve(text))
    assert certain.find("2; 5") is None
    assert certain.find("5.0") is None
