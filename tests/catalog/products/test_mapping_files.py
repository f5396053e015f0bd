"""Files of product types: all rows of the plain form, and only confirmed rows of proposals."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.products.mapping_files import PROPOSALS_HEADER, csv_text, read_product_types

HEAD = ",".join(PROPOSALS_HEADER)


def written(tmp_path: Path, text: str) -> UPath:
    path = UPath(tmp_path / "types.csv")
    path.write_text(text)
    return path


def test_all_rows_of_the_plain_form_count(tmp_path: Path) -> None:
    types = read_product_types(written(tmp_path, "product_type,category\nHosen,204\nHemden,212\n"))
    assert (types.categories, types.num_unconfirmed) == ({"Hosen": "204", "Hemden": "212"}, 0)


def test_only_confirmed_proposals_count(tmp_path: Path) -> None:
    rows = [("Hosen", "204", "yes", 0.9, 10), ("Hemden", "212", "", 0.8, 5), ("Neu", "", "no", 0.1, 3)]
    types = read_product_types(written(tmp_path, csv_text(PROPOSALS_HEADER, rows)))
    assert (types.categories, types.num_unconfirmed) == ({"Hosen": "204"}, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}\nHosen,204,perhaps,0.9,1\n", r"types.csv:2: confirmed is 'perhaps'; write yes, or nothing"),
        (f"{HEAD}\nHosen,,yes,0.9,1\n", r"types.csv:2: 'Hosen' is confirmed without a category; write one"),
        (f"{HEAD}\nHosen,204,x,1,1\nHOSEN,212,x,1,1\n", r"types.csv:3: 'HOSEN' is mapped twice"),
        (f"{HEAD}\nHosen,204\n", r"types.csv:2: 2 fields"),
        ("type,category\n", r"make it product_type,category or product_type,category,confirmed,score,products"),
    ],
)
def test_a_wrong_line_is_named_with_the_way_out(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        read_product_types(written(tmp_path, text))
