"""The taxonomy's files: extensions, languages, former versions, and what is wrong with them."""

import re
from pathlib import Path

import pytest
from upath import UPath

from catalog.taxonomy.files import read_curated_moves, read_former_versions, read_taxonomy
from catalog.taxonomy.tree import Taxonomy, TaxonomyError

ENGLISH = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Boots\n"
GERMAN = "1 - Bekleidung\n2 - Bekleidung > Hüte\n3 - Bekleidung > Stiefel\n"


def folder(root: Path, **files: str) -> UPath:
    """A reference folder with these files and the English taxonomy, unless they say otherwise."""
    for name, text in {"taxonomy.txt": ENGLISH, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return UPath(root)


def test_extensions_lie_below_google_s_categories_and_make_a_leaf_an_inner_node(tmp_path: Path) -> None:
    extensions = "# ours\n1000002 - Clothing > Hats > Caps > Snapbacks\n1000001 - clothing>hats > Caps\n"
    taxonomy = read_taxonomy(folder(tmp_path, **{"taxonomy-extensions.txt": extensions}))
    assert taxonomy.version == "2021-09-21"
    assert taxonomy.lineage(1000002) == (1, 2, 1000001, 1000002)
    assert taxonomy.leaves == (3, 1000002)
    assert taxonomy.leaves_below(2) == (1000002,)
    assert taxonomy.leaves_below(1) == (3, 1000002)
    assert taxonomy.resolve("clothing > hats > CAPS") == 1000001


def test_an_empty_file_of_extensions_changes_nothing(tmp_path: Path) -> None:
    plain = read_taxonomy(folder(tmp_path))
    extended = read_taxonomy(folder(tmp_path, **{"taxonomy-extensions.txt": "# none yet\n"}))
    assert extended.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2 - Clothing > Caps", ":1: id 2 is 'Clothing > Hats' already; take an id from 1000000 up"),
        ("1000001 - clothing > HATS", ":1: path 'clothing > HATS' is category 2 already; remove the line"),
        ("1000001 - Shoes > Pumps", ":1: 'Shoes > Pumps' has no parent; add a line for 'Shoes'"),
        ("1000001 - Shoes", ":1: 'Shoes' is a root; write it below a category, as 'Clothing > Shoes'"),
        ("# ours\nCaps", ":2: 'Caps' is not a category; write it as"),
        ("1000001 - Clothing > A\n1000001 - Clothing > B", ":2: id 1000001 is on line 1 already"),
    ],
)
def test_a_wrong_extension_is_refused_by_file_and_line_with_the_way_out(
    tmp_path: Path, line: str, problem: str
) -> None:
    reference = folder(tmp_path, **{"taxonomy-extensions.txt": line})
    with pytest.raises(TaxonomyError, match=re.escape(f"taxonomy-extensions.txt{problem}")):
        read_taxonomy(reference)


def test_a_path_in_another_language_means_the_same_id(tmp_path: Path) -> None:
    taxonomy = read_taxonomy(folder(tmp_path, **{"taxonomy.de-DE.txt": GERMAN}))
    decomposed = "bekleidung > HU\u0308TE"  # as some systems write an umlaut: a letter and a mark
    for text in ("Clothing > Hats", "Bekleidung > Hüte", decomposed, "2"):
        assert taxonomy.resolve(text) == 2
    assert taxonomy.path(2) == "Clothing > Hats"
    assert taxonomy.nearest("Bekleidung > Stiefl") == "Clothing > Boots"
    assert len(taxonomy) == 3
    assert taxonomy.fingerprint != read_taxonomy(folder(tmp_path, **{"taxonomy.de-DE.txt": ENGLISH})).fingerprint


def test_the_taxonomy_itself_may_be_in_any_language_and_further_ones_beside_it(tmp_path: Path) -> None:
    taxonomy = read_taxonomy(
        folder(
            tmp_path,
            **{
                "taxonomy.txt": GERMAN,
                "taxonomy.en-US.txt": ENGLISH,
                "taxonomy.ja-JP.txt": "1 - 衣類\n2 - 衣類 > 帽子\n",
            },
        )
    )
    assert taxonomy.path(2) == "Bekleidung > Hüte"
    assert {taxonomy.resolve(text) for text in ("Bekleidung > Hüte", "clothing > hats", "衣類>帽子")} == {2}


def test_extensions_too_may_have_names_in_another_language(tmp_path: Path) -> None:
    files = {
        "taxonomy-extensions.txt": "1000001 - Clothing > Hats > Caps",
        "taxonomy.de-DE.txt": GERMAN,
        "taxonomy-extensions.de-DE.txt": "1000001 - Bekleidung > Hüte > Kappen",
    }
    assert read_taxonomy(folder(tmp_path, **files)).resolve("Bekleidung > Hüte > Kappen") == 1000001


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "taxonomy.en-GB.txt",
            "1 - Clothing\n2 - Clothing > Boots\n",
            "path 'Clothing > Boots' is category 2 there and 3 ('Clothing > Boots') already; remove it from one",
        ),
        ("taxonomy.de-DE.txt", GERMAN + "9 - Möbel\n", "'Möbel' is category 9, which the taxonomy lacks; save both"),
        ("taxonomy-extensions.de-DE.txt", GERMAN, "extends no file; save Google's taxonomy.de-DE.txt beside it"),
    ],
)
def test_a_language_that_does_not_fit_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(TaxonomyError, match=re.escape(name) + ".*" + re.escape(problem)):
        read_taxonomy(folder(tmp_path, **{name: text}))


def test_former_versions_are_sorted_by_age_not_by_file_name(tmp_path: Path) -> None:
    reference = folder(
        tmp_path,
        **{
            "previous/a.txt": "# Google_Product_Taxonomy_Version: 2019-07-10\n1 - Clothes\n",
            "previous/b.txt": "# Google_Product_Taxonomy_Version: 2015-02-19\n1 - Clothing\n",
            "previous/b.de.txt": "# Google_Product_Taxonomy_Version: 2015-02-19\n1 - Bekleidung\n",
            "previous/2013.txt": "1 - Garments\n",
        },
    )
    former = read_former_versions(reference)
    assert [version.version for version in former] == ["2013", "2015-02-19", "2019-07-10"]
    assert former[1].resolve("Clothing") == former[1].resolve("Bekleidung") == 1
    assert read_former_versions(folder(tmp_path / "no")) == []


def test_decisions_are_read_by_id_and_an_empty_one_drops_the_label(tmp_path: Path) -> None:
    current = Taxonomy.parse(ENGLISH, "taxonomy.txt")
    rows = "old_id,new_id,note\n7,2,caps\n8,,\n9,Clothing > Boots,\n"
    reference = folder(tmp_path, **{"taxonomy-moves.csv": rows})
    assert read_curated_moves(reference, current) == {7: 2, 8: None, 9: 3}
    assert read_curated_moves(folder(tmp_path / "no"), current) == {}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("old,new\n7,2\n", ": the header is 'old,new'; make it old_id,new_id"),
        ("", ": the header is ''; make it old_id,new_id"),
        ("old_id,new_id\nx,2\n", ":2: old_id 'x' is not an id"),
        ("old_id,new_id\n7,2\n7,3\n", ":3: old_id 7 is moved twice; remove one of the rows"),
        ("old_id,new_id\n7,99\n", ":2: new_id '99' is not in the taxonomy"),
    ],
)
def test_a_wrong_decision_is_refused_by_file_and_line(tmp_path: Path, rows: str, problem: str) -> None:
    reference = folder(tmp_path, **{"taxonomy-moves.csv": rows})
    with pytest.raises(TaxonomyError, match=re.escape(f"taxonomy-moves.csv{problem}")):
        read_curated_moves(reference, Taxonomy.parse(ENGLISH, "taxonomy.txt"))


@pytest.mark.parametrize("name", ["taxonomy-extensions.txt", "taxonomy.de-DE.txt", "previous/2019.txt"])
def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path, name: str) -> None:
    reference = folder(tmp_path)
    (tmp_path / "previous").mkdir()
    (tmp_path / name).write_bytes("1000001 - Clothing > Hüte".encode("latin-1"))
    with pytest.raises(TaxonomyError, match=re.escape(name) + ": not UTF-8"):
        (read_former_versions(reference), read_taxonomy(reference))
