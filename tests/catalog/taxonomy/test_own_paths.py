"""A taxonomy of a catalog's own paths: whole, in Google's format, and the same for the same paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.taxonomy.own_paths import own_taxonomy
from catalog.taxonomy.tree import Taxonomy, TaxonomyError

NAMES = st.text("abcÄß &", min_size=1, max_size=6).filter(str.strip)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map(" > ".join), min_size=1, max_size=12)


@given(PATHS)
def test_every_path_and_its_ancestors_are_categories(paths: list[str]) -> None:
    taxonomy = Taxonomy.parse(own_taxonomy(paths), "taxonomy.txt")
    assert taxonomy.version is None
    for path in paths:
        category = taxonomy.resolve(path)
        assert category is not None
        assert len(taxonomy.lineage(category)) == path.count(">") + 1
    assert own_taxonomy(reversed(paths)).casefold() == own_taxonomy(paths).casefold()


def test_empty_names_make_no_category_and_nothing_is_refused() -> None:
    assert len(Taxonomy.parse(own_taxonomy(["a >  > b", "a"]), "taxonomy.txt")) == 1
    with pytest.raises(TaxonomyError, match="there is no category to make a taxonomy of; label some products"):
        own_taxonomy([])
