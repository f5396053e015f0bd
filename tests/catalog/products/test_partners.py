"""Partners' settings, and common mistakes in them."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.products.partner_categories import mapped_categories
from catalog.products.partners import PartnerSettings, read_partner, read_partners
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = Taxonomy.parse("1 - Clothing\n2 - Clothing > Shoes\n3 - Clothing > Hats\n", "taxonomy.txt")


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    (tmp_path / "partners.toml").write_text(
        "[partners.northloom]\n\n[partners.zwirnwald]\nproduct_types = 'types.csv'\n\n[partners.judge]\ngolden = true\n"
    )
    (tmp_path / "types.csv").write_text(
        'product_type,category\nSchuhe,2\n"Kopf, oben > Hüte",Clothing > Hats\n\n', encoding="utf-8-sig"
    )
    return UPath(tmp_path)


def test_a_partner_s_settings_and_mapping_are_read(folder: UPath) -> None:
    partner = read_partner(folder, "zwirnwald")
    assert partner.product_types == {"Schuhe": "2", "Kopf, oben > Hüte": "Clothing > Hats"}
    assert not partner.golden
    assert mapped_categories(partner, TAXONOMY) == {"schuhe": 2, "kopf, oben > hüte": 3}


def test_a_partner_without_settings_has_the_defaults(folder: UPath) -> None:
    partner = read_partner(folder, "northloom")
    assert (partner.partner_id, partner.golden, partner.product_types) == ("northloom", False, {})


def test_all_partners_come_in_the_order_of_their_names(folder: UPath) -> None:
    assert [(p.partner_id, p.golden) for p in read_partners(folder)] == [
        ("judge", True),
        ("northloom", False),
        ("zwirnwald", False),
    ]


def test_an_unknown_partner_is_refused_with_the_known_ones_and_the_file_to_edit(folder: UPath) -> None:
    with pytest.raises(ValueError, match="unknown partner 'acme'; known are judge, northloom, zwirnwald") as caught:
        read_partner(folder, "acme")
    assert f"add [partners.acme] to {folder / 'partners.toml'}" in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[partners.acme", r"partners\.toml: not TOML: Expected"),
        ("partners = 3", r"partners\.toml: 'partners' holds no tables"),
        ("[partners]\nacme = 3", r"partners\.toml: 'partners' holds no tables"),
        (
            "[partners.acme]\ngolden = 'yes'",
            r"\[partners\.acme\] has golden = 'yes'; it may have golden = true",
        ),
        (
            "[partners.acme]\ngoldne = true",
            r"\[partners\.acme\] has goldne = True; it may have golden = true",
        ),
        ("[partners.acme]\nproduct_types = 'no.csv'", r"no file '.*no\.csv'; write it with the header"),
        ("[partners.acme]\nmax_feed_age_days = 0", r"max_feed_age_days = 0; write a number of days above 0"),
        ("[partners.acme]\nmax_feed_age_days = true", r"has max_feed_age_days = True; it may have"),
        ("[partners.'a/../b']", r"partner 'a/\.\./b' has a bad name; use letters"),
        ("", r"unknown partner 'acme'; known are none"),
    ],
)
def test_wrong_settings_are_refused_with_the_file_and_the_way_out(toml: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "partners.toml").write_text(toml)
    with pytest.raises(ValueError, match=problem) as caught:
        read_partner(UPath(tmp_path), "a/../b" if "/" in toml else "acme")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("toml", ["split = 'testing'", "split = 'test'\ngolden = true"])
def test_unknown_split_and_one_of_a_golden_partner_are_refused(tmp_path: Path, toml: str) -> None:
    (tmp_path / "partners.toml").write_text(f"[partners.photos]\n{toml}\n")
    with pytest.raises(ValueError, match=r"has split = 'test.*write one of train, val, test, train\+val"):
        read_partner(UPath(tmp_path), "photos")


def test_missing_settings_are_one_line_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file '.*partners\.toml'; write it with a table \[partners\.NAME\]"):
        read_partner(UPath(tmp_path), "acme")


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (b"", r"types\.csv: the header is ''; make it product_type,category"),
        (b"type,category\na,2\n", r"types\.csv: the header is 'type,category'"),
        (b"product_type,category\na,b,2\n", r"types\.csv:2: 3 fields"),
        (b"product_type,category\nA > B,2\na>b,3\n", r"types\.csv:3: 'a>b' is mapped twice"),
        (b"product_type,category\nH\xfcte,2\n", r"types\.csv: not UTF-8"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_file_and_line(mapping: bytes, problem: str, folder: UPath) -> None:
    (folder / "types.csv").write_bytes(mapping)
    with pytest.raises(ValueError, match=problem):
        read_partner(folder, "zwirnwald")


def test_a_mapping_onto_a_category_that_the_taxonomy_lacks_names_file_value_and_nearest(
    folder: UPath,
) -> None:
    (folder / "types.csv").write_text("product_type,category\nSchuhe,Clothing > Shoe\n")
    partner = read_partner(folder, "zwirnwald")
    with pytest.raises(
        ValueError, match=r"types\.csv: 'Schuhe' is mapped to 'Clothing > Shoe', which is not"
    ) as caught:
        mapped_categories(partner, TAXONOMY)
    assert "the nearest known is 'Clothing > Shoes'" in str(caught.value)


def test_settings_made_by_hand_need_no_file() -> None:
    partner = PartnerSettings(partner_id="acme", product_types={"Shoes > Red": "2"})
    assert mapped_categories(partner, TAXONOMY) == {"shoes > red": 2}


def with_columns(folder: Path, text: str) -> PartnerSettings:
    (folder / "partners.toml").write_text('[partners.acme]\ncolumns = "acme-columns.csv"\n')
    (folder / "acme-columns.csv").write_text(text)
    return read_partner(UPath(folder), "acme")


def test_a_partner_s_own_names_of_attributes_are_read(tmp_path: Path) -> None:
    read = with_columns(tmp_path, 'column,attribute\nArtikelnummer,id\n\n"Bild, groß",image_link\n')
    assert read.columns == {"Artikelnummer": "id", "Bild, groß": "image_link"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,attribute\n", "the header is 'name,attribute'; make it column,attribute"),
        ("column,attribute\nsku,ident\n", "'sku' is mapped to 'ident'; attributes are id, title, image_link"),
        ("column,attribute\nsku,id\nean,id\n", "'sku' and 'ean' are mapped to 'id'; remove one of the rows"),
        ("column,attribute\nSKU,id\nsku,title\n", "'sku' is mapped twice; remove one of the rows"),
    ],
)
def test_a_mistake_in_the_column_names_names_the_file_and_the_row(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"acme-columns.csv.*{problem}"):
        with_columns(tmp_path, text)
