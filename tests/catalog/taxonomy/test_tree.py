"""The taxonomy: Google's whole file, and files that are wrong."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from catalog.taxonomy.tree import Taxonomy, TaxonomyError

GOOGLE_FILE = Path(__file__).parents[4] / "shared/data/google_taxonomy/taxonomy-with-ids.en-US.txt"

SMALL = """\
# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals
3 - Animals > Pets > Birds
2 - Animals > Pets
10 - Animals > Pets > Birds > Cages
11 - Animals > Pets > Birds > Cages > Bells
12 - Animals > Pets > Birds > Cages > Bells > Brass
166 - Apparel & Accessories
"""


@pytest.fixture
def small() -> Taxonomy:
    return Taxonomy.parse(SMALL, "small.txt")


@pytest.fixture(scope="module")
def google() -> Taxonomy:
    if not GOOGLE_FILE.exists():
        pytest.skip(f"Google's whole taxonomy is not at {GOOGLE_FILE}")
    return Taxonomy.read(UPath(GOOGLE_FILE))


def test_google_s_taxonomy_has_5595_categories_and_4719_leaves_on_seven_levels(google: Taxonomy) -> None:
    assert len(google) == 5_595
    assert len(google.leaves) == 4_719
    depths = google.table()["path"].str.count_matches(" > ") + 1
    assert (depths.min(), depths.max()) == (1, 7)
    assert google.version == "2021-09-21"


def test_google_s_taxonomy_resolves_every_line_of_its_file(google: Taxonomy) -> None:
    lines = GOOGLE_FILE.read_text().splitlines()[1:]
    for line in lines:
        category_id, path = line.split(" - ", maxsplit=1)
        assert google.path(int(category_id)) == path
        assert google.resolve(path) == google.resolve(category_id) == int(category_id)
    paths = [line.split(" - ", maxsplit=1)[1] for line in lines]
    parents = {path.rpartition(" > ")[0] for path in paths}
    assert {google.path(leaf) for leaf in google.leaves} == set(paths) - parents


def test_every_level_is_an_ancestor_or_the_category_itself(google: Taxonomy) -> None:
    for row in google.table().iter_rows(named=True):
        names = row["path"].split(" > ")
        for level in range(1, 5):
            assert google.path(row[f"level_{level}"]) == " > ".join(names[: min(level, len(names))])


def test_levels_repeat_the_last_node_of_a_short_path_and_cut_a_long_one(small: Taxonomy) -> None:
    assert small.levels(1) == (1, 1, 1, 1)
    assert small.levels(3) == (1, 2, 3, 3)
    assert small.levels(10) == (1, 2, 3, 10)
    assert small.levels(12) == (1, 2, 3, 10)


def test_a_category_has_a_path_a_name_and_perhaps_no_children(small: Taxonomy) -> None:
    assert small.path(3) == "Animals > Pets > Birds"
    assert small.name(3) == "Birds"
    assert small.leaves == (12, 166)
    assert 3 in small
    assert 4 not in small


@pytest.mark.parametrize("text", ["3", " 3 ", "003", "animals>PETS >  birds", "Animals >\tPets > Birds\u00a0"])
def test_a_category_is_found_by_id_or_path_in_any_case_and_spacing(text: str, small: Taxonomy) -> None:
    assert small.resolve(text) == 3


@pytest.mark.parametrize("text", ["", "4", "-3", "3.0", "٣", "9" * 5_000, "Birds", "Pets > Birds", "Animals >"])
def test_a_text_that_names_no_category_resolves_to_none(text: str, small: Taxonomy) -> None:
    assert small.resolve(text) is None


@given(st.text())
def test_resolve_and_nearest_accept_any_text(text: str) -> None:
    taxonomy = Taxonomy.parse(SMALL, "small.txt")
    assert taxonomy.resolve(text) is None or taxonomy.resolve(text) in taxonomy
    assert taxonomy.nearest(text) is None or taxonomy.resolve(taxonomy.nearest(text) or "") is not None


def test_the_nearest_path_is_the_misspelled_one(google: Taxonomy) -> None:
    assert google.nearest("Apparel & Accesories > Shoe") == "Apparel & Accessories > Shoes"
    assert google.nearest("apparel & accessories > clothing > shirts and tops") == (
        "Apparel & Accessories > Clothing > Shirts & Tops"
    )
    assert google.nearest("Apparel & Accessories > Clothing > Zwirn") == "Apparel & Accessories > Clothing"
    assert google.nearest("99999999") is None
    assert google.nearest("Zwirn > Qqqqqq") is None


def test_leaves_lineages_and_subtrees_agree(google: Taxonomy) -> None:
    ancestors = {ancestor for category_id in google.ids for ancestor in google.lineage(category_id)[:-1]}
    assert set(google.leaves) == {category_id for category_id in google.ids if google.is_leaf(category_id)}
    assert set(google.leaves) == set(google.ids) - ancestors
    roots = [category_id for category_id in google.ids if google.lineage(category_id) == (category_id,)]
    assert sorted(leaf for root in roots for leaf in google.leaves_below(root)) == list(google.leaves)
    assert all(google.leaves_below(leaf) == (leaf,) for leaf in google.leaves[::100])


def test_an_unknown_id_is_named(small: Taxonomy) -> None:
    for lookup in (small.path, small.name, small.levels, small.lineage, small.is_leaf, small.leaves_below):
        with pytest.raises(TaxonomyError, match="category 4 is not among the taxonomy's 7"):
            lookup(4)


def test_the_table_has_a_row_a_category(small: Taxonomy) -> None:
    table = small.table()
    assert table.columns == ["category_id", "name", "path", "is_leaf", *(f"level_{n}" for n in range(1, 5))]
    assert table.row(3) == (10, "Cages", "Animals > Pets > Birds > Cages", False, 1, 2, 3, 10)


def test_the_fingerprint_ignores_order_line_ends_and_comments_and_nothing_else(small: Taxonomy) -> None:
    lines = SMALL.splitlines()[1:]
    assert Taxonomy.parse("\r\n".join(reversed(lines)), "x").fingerprint == small.fingerprint
    assert Taxonomy.parse("\ufeff# Version: 2\n\n" + SMALL, "x").fingerprint == small.fingerprint
    assert Taxonomy.parse(SMALL.replace("166", "167"), "x").fingerprint != small.fingerprint
    assert Taxonomy.parse(SMALL.replace("Brass", "Iron"), "x").fingerprint != small.fingerprint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 - A\n1 - B", "bad.txt:2: id 1 is on line 1 already"),
        ("1 - A\n2 - a", "bad.txt:2: path 'a' is on line 1 already"),
        ("1 - A\n2 - A > B > C", "bad.txt:2: 'A > B > C' has no parent; add a line for 'A > B'"),
        ("1 - A\nnonsense", "bad.txt:2: 'nonsense' is not a category"),
        ("1 - A\n2 - A > > C", "bad.txt:2: '2 - A > > C' is not a category"),
        ("1 - A\n-2 - B", "bad.txt:2: '-2 - B' is not a category"),
        ("1 - A\n9999999999999999999 - B", "bad.txt:2"),
        ("", "bad.txt: no category in it"),
        ("# only a comment\n", "bad.txt: no category in it"),
    ],
)
def test_a_wrong_line_is_refused_by_file_and_number(text: str, problem: str) -> None:
    with pytest.raises(TaxonomyError, match=re.escape(problem)):
        Taxonomy.parse(text, "bad.txt")


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(tmp_path: Path, small: Taxonomy) -> None:
    path = tmp_path / "taxonomy.txt"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    read = Taxonomy.read(UPath(path))
    assert (read.fingerprint, read.version) == (small.fingerprint, "2021-09-21")


def test_a_missing_taxonomy_is_one_line_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.read(UPath(tmp_path / "taxonomy.txt"))
    assert str(tmp_path / "taxonomy.txt") in str(caught.value)
    assert "save https://www.google.com/basepages/producttype/taxonomy-with-ids" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_taxonomy_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taxonomy.txt").write_bytes("1 - Möbel".encode("latin-1"))
    with pytest.raises(TaxonomyError, match=r"taxonomy\.txt: not UTF-8"):
        Taxonomy.read(UPath(tmp_path / "taxonomy.txt"))
