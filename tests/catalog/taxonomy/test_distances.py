import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.taxonomy.distances import hierarchical_distances
from catalog.taxonomy.tree import Taxonomy, TaxonomyError


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """Trees of up to thirty nodes, of several roots."""
    paths: list[str] = []
    for n in range(draw(st.integers(1, 30))):
        parent = draw(st.sampled_from(["", *paths]))
        paths.append(f"{parent} > N{n}" if parent else f"N{n}")
    return Taxonomy.parse("".join(f"{n + 1} - {path}\n" for n, path in enumerate(paths)), "test")


def slow_distance(taxonomy: Taxonomy, one: int, other: int) -> int:
    """The steps from one node up to the first node that is above the other as well, and down again."""
    up, down = ([0, *taxonomy.lineage(node)] for node in (one, other))
    common = max(position for position, node in enumerate(up) if node in down)
    return len(up) - 1 - common + len(down) - 1 - down.index(up[common])


@given(taxonomies())
def test_distances_are_those_of_walking_up_and_down_the_tree(taxonomy: Taxonomy) -> None:
    distances = hierarchical_distances(taxonomy.ids, taxonomy)
    for row, one in zip(distances.tolist(), taxonomy.ids, strict=True):
        assert row == [slow_distance(taxonomy, one, other) for other in taxonomy.ids]


@given(taxonomies())
def test_distances_are_a_metric(taxonomy: Taxonomy) -> None:
    distances = hierarchical_distances(taxonomy.ids, taxonomy).astype(int)
    assert (distances == distances.T).all()
    assert ((distances == 0) == np.eye(len(distances), dtype=bool)).all()
    assert (distances[:, None, :] <= distances[:, :, None] + distances[None, :, :]).all()


def test_a_category_that_the_taxonomy_lacks_is_named() -> None:
    with pytest.raises(TaxonomyError, match="category 9 is not among"):
        hierarchical_distances([1, 9], Taxonomy.parse("1 - A\n", "test"))
