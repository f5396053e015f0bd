from pathlib import Path

import pytest
from upath import UPath

from catalog.taxonomy.business_value import BusinessValueError, read_business_values, values_at_level
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = Taxonomy.parse(
    "1 - Clothing\n2 - Clothing > Shirts\n3 - Clothing > Shirts > T-Shirts\n4 - Clothing > Dresses\n7 - Bags",
    "test",
)


@pytest.fixture
def csv_file(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "value.csv")


def test_a_leaf_is_named_by_id_or_by_path(csv_file: UPath) -> None:
    csv_file.write_text("leaf,units_sold\n3,120\nclothing > dresses,7.5\n", encoding="utf-8-sig")
    assert read_business_values(csv_file, TAXONOMY) == {3: 120.0, 4: 7.5}


def test_columns_may_stand_in_any_order_and_beside_others(csv_file: UPath) -> None:
    csv_file.write_text('units_sold,season,leaf\r\n5,"summer, late",3\r\n', newline="")
    assert read_business_values(csv_file, TAXONOMY) == {3: 5.0}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("leaf,units\n3,1\n", r"value.csv:1: the header is 'leaf,units'; expected leaf,units_sold"),
        ("", r"value.csv:1: the header is ''"),
        ("leaf,units_sold\n3,1\n99,1\n", r"value.csv:3: the taxonomy has no category '99'"),
        ("leaf,units_sold\nClothing > Shirt,1\n", r"value.csv:2: .*did you mean 'Clothing > Shirts'\?"),
        ("leaf,units_sold\n3,many\n", r"value.csv:2: units_sold is 'many'"),
        ("leaf,units_sold\n3\n", r"value.csv:2: units_sold is None"),
        ("leaf,units_sold\n3,-1\n", r"value.csv:2: units_sold is '-1'"),
        ("leaf,units_sold\n3,nan\n", r"value.csv:2: units_sold is 'nan'"),
        ("leaf,units_sold\n3,inf\n", r"value.csv:2: units_sold is 'inf'"),
        ("leaf,units_sold\n3,1\nClothing > Shirts > T-Shirts,2\n", r"value.csv:3: .* has a line already"),
        ('leaf,units_sold\n"3,1\n', r"value.csv:2: not a CSV line"),
        ("leaf,units_sold\n3,0\n", r"value.csv: no category sold a unit"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(csv_file: UPath, content: str, complaint: str) -> None:
    csv_file.write_text(content)
    with pytest.raises(BusinessValueError, match=complaint):
        read_business_values(csv_file, TAXONOMY)


def test_without_a_file_all_categories_weigh_the_same(csv_file: UPath) -> None:
    assert read_business_values(csv_file, TAXONOMY) == dict.fromkeys(TAXONOMY.ids, 1.0)


def test_a_file_of_another_encoding_is_named(csv_file: UPath) -> None:
    csv_file.write_bytes("leaf,units_sold\nBüro,1\n".encode("latin-1"))
    with pytest.raises(BusinessValueError, match="not UTF-8 at byte"):
        read_business_values(csv_file, TAXONOMY)


def test_a_nodes_value_is_the_sum_of_those_below_it() -> None:
    values = {3: 120.0, 4: 7.0, 7: 3.0}
    assert values_at_level(values, TAXONOMY, 1) == {1: 127.0, 7: 3.0}
    assert values_at_level(values, TAXONOMY, 2) == {2: 120.0, 4: 7.0, 7: 3.0}
    assert values_at_level(values, TAXONOMY, 4) == values


def test_there_are_four_levels() -> None:
    with pytest.raises(ValueError, match="level 5 is not one of 1 to 4"):
        values_at_level({}, TAXONOMY, 5)
