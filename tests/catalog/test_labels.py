"""Labels: what a feed's category text means, by the taxonomy and by what became of its former versions."""

import io

import pytest

from catalog.feeds import FEED_READERS
from catalog.labels import COLUMN, LABELS_SCHEMA, Label, label_of, labels_of
from catalog.partners import PartnerSettings, mapped_categories
from catalog.products import Takings, take_products
from catalog.taxonomy import Taxonomy
from catalog.taxonomy_moves import Moves

FORMER = Taxonomy.parse(
    "# Version: 2019\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Boots\n4 - Clothing > Ties\n5 - Toys\n", "old"
)
CURRENT = Taxonomy.parse(
    "# Version: 2021\n1 - Clothing\n2 - Clothing > Headwear\n7 - Clothing > Boots\n4 - Clothing > Ties\n"
    + "".join(f"{n} - Clothing > Ties > T{n}\n" for n in range(10, 17)),
    "new",
)
MOVES = Moves([FORMER], CURRENT)


@pytest.mark.parametrize(
    ("text", "category_id", "source"),
    [
        ("7", 7, COLUMN),
        ("Clothing > Boots", 7, COLUMN),
        ("2", 2, COLUMN),  # renamed, the id is known
        ("clothing>hats", 2, "moved:2019:2"),  # its former path is not
        ("3", 7, "moved:2019:3"),
        ("T", None, None),
    ],
)
def test_a_text_means_a_category_of_now_or_where_one_of_a_former_version_went(
    text: str, category_id: int | None, source: str | None
) -> None:
    label = label_of(text, CURRENT, MOVES)
    assert (label.category_id, label.source) == (category_id, source)
    assert (label.reason is None) == (category_id is not None)


def test_a_leaf_that_was_split_keeps_its_category_and_tells_what_to_choose_from() -> None:
    assert label_of("4", CURRENT, MOVES) == Label(
        4,
        "split:2019:4",
        "category_split",
        "google_product_category '4' is 'Clothing > Ties' of version 2019, no leaf any more; write "
        "'Clothing > Ties > T10' or 'Clothing > Ties > T11' or 'Clothing > Ties > T12' or 'Clothing > Ties > T13' or "
        "'Clothing > Ties > T14' or 2 more; the product is kept with 'Clothing > Ties'",
    )


def test_a_lost_category_says_what_the_id_was_and_leaves_the_product_without() -> None:
    assert label_of("5", CURRENT, MOVES) == Label(
        None,
        "lost:2019:5",
        "category_lost",
        "google_product_category '5' is 'Toys' of version 2019, which is lost; the product is kept without it",
    )


def test_a_lost_category_with_a_namesake_is_told_of_it() -> None:
    lost = Moves([Taxonomy.parse("# Version: 2018\n1 - Clothing\n90 - Clothing > Boot\n", "2018")], CURRENT)
    label = label_of("90", CURRENT, lost)
    assert label.detail is not None
    assert "'Clothing > Boot' of version 2018, which is lost; the nearest known is 'Clothing > Boots';" in label.detail
    unguessed = label_of("90", CURRENT, lost, guess=False)
    assert unguessed.detail == label.detail.replace("; the nearest known is 'Clothing > Boots'", "")


def test_a_decision_by_hand_moves_labels_that_the_taxonomy_would_know() -> None:
    moves = Moves([FORMER], CURRENT, {4: 12, 2: None})
    for text in ("4", "Clothing > Ties"):
        assert label_of(text, CURRENT, moves) == Label(12, "moved:2019:4")
    assert label_of("Clothing > Headwear", CURRENT, moves).source == "lost:2019:2"


def test_labels_are_a_row_a_text_and_without_former_versions_what_the_taxonomy_says() -> None:
    labels = labels_of(["7", "5", "Clothing > Boot"], CURRENT, Moves((), CURRENT))
    assert labels.schema == LABELS_SCHEMA
    assert labels.select("text", "label_id", "label_source", "reason").rows() == [
        ("7", 7, COLUMN, None),
        ("5", None, None, "unknown_category"),
        ("Clothing > Boot", None, None, "unknown_category"),
    ]
    assert "the nearest known is 'Clothing > Boots'" in labels["detail"][2]


def taken(*categories: str, product_type: str = "") -> Takings:
    rows = "".join(f"{n}\tt\tu\t{category}\t{product_type}\n" for n, category in enumerate(categories))
    feed = io.BytesIO(f"id\ttitle\timage_link\tgoogle_product_category\tproduct_type\n{rows}".encode())
    partner = PartnerSettings(partner_id="acme", product_types={"Kopf": "Clothing > Hats", "Fuß": "3"})
    return take_products(
        FEED_READERS["google_tsv"](feed, "feed.tsv", {}), partner=partner, delivery="d", taxonomy=CURRENT, moves=MOVES
    )


def test_products_get_their_category_through_the_moves_and_the_rest_is_told() -> None:
    takings = taken("7", "3", "4", "5", "nowhere", "")
    assert takings.products.select("category_id", "category_source").rows() == [
        (7, COLUMN),
        (7, "moved:2019:3"),
        (4, "split:2019:4"),
        (None, "lost:2019:5"),
        (None, None),
        (None, None),
    ]
    assert takings.rejected.select("row", "reason").rows() == [
        (3, "category_split"),
        (4, "category_lost"),
        (5, "unknown_category"),
    ]


def test_the_partner_s_own_type_labels_what_google_s_category_no_longer_does() -> None:
    assert taken("5", product_type="Fuß").products.select("category_id", "category_source").rows() == [
        (7, "product_type")
    ]


def test_a_mapping_of_product_types_follows_the_moves_and_is_refused_where_its_category_is_lost() -> None:
    mapped = PartnerSettings(partner_id="acme", product_types={"Kopf": "Clothing > Hats", "Fuß": "3", "Hals": "4"})
    assert mapped_categories(mapped, CURRENT, MOVES) == {"kopf": 2, "fuss": 7, "hals": 4}
    lost = PartnerSettings(partner_id="acme", product_types={"Spiel": "5"}, product_types_file="types.csv")
    with pytest.raises(ValueError, match=r"types\.csv: 'Spiel' is mapped to '5', .* it was 'Toys' in version 2019"):
        mapped_categories(lost, CURRENT, MOVES)
