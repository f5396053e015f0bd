"""Own labels become a taxonomy in Google's format, whose ids depend on the paths alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.taxonomy.own_labels import own_id, own_taxonomy
from catalog.taxonomy.parsing import FIRST_FREE_ID
from catalog.taxonomy.tree import Taxonomy, TaxonomyError, canonical_path

NAMES = st.text("abcXYZé &'/-", min_size=1, max_size=8).filter(str.strip)
LABELS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map(" > ".join), min_size=1, max_size=20)


def parsed(labels: list[str]) -> Taxonomy:
    return Taxonomy.parse(own_taxonomy(labels), "taxonomy.txt")


@given(LABELS)
def test_every_label_is_a_category_of_the_file(labels: list[str]) -> None:
    taxonomy = parsed(labels)
    for label in labels:
        category = taxonomy.resolve(label)
        assert category is not None
        assert category >= FIRST_FREE_ID
        assert canonical_path(taxonomy.path(category)) == canonical_path(label)


@given(LABELS, LABELS)
def test_a_new_label_changes_the_id_of_no_other(labels: list[str], more: list[str]) -> None:
    before, after = parsed(labels), parsed([*more, *labels])
    assert [before.resolve(label) for label in labels] == [after.resolve(label) for label in labels]


def test_ancestors_are_added_and_the_first_spelling_counts() -> None:
    taxonomy = parsed(["Fruit > Apple", "fruit>apple", "Milk"])
    assert sorted(taxonomy.path(each) for each in taxonomy.ids) == ["Fruit", "Fruit > Apple", "Milk"]
    assert taxonomy.version is None


def test_id_that_is_taken_moves_on() -> None:
    first = own_id("milk")
    assert own_id("milk", {first, first + 1}) == first + 2


@pytest.mark.parametrize("labels", [[], ["Fruit > "], [" "]])
def test_no_label_and_an_empty_name_are_refused(labels: list[str]) -> None:
    with pytest.raises(TaxonomyError):
        own_taxonomy(labels)
