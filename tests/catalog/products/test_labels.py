"""Labels: a feed's category text, resolved by the taxonomy and by moves from its former versions."""

import io

import pytest

from catalog.feeds.feed import DEFAULT_OPTIONS
from catalog.feeds.formats import FEED_READERS
from catalog.products.labels import COLUMN, LABELS_SCHEMA, Label, label_of, labels_of
from catalog.products.parsing import ParsedFeed, parse_products
from catalog.products.partner_categories import mapped_categories
from catalog.products.partners import PartnerSettings
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy

FORMER = Taxonomy.parse(
    "# Version: 2019\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Boots\n4 - Clothing > Ties\n5 - Toys\n", "old"
)
CURRENT = Taxonomy.parse(
    "# Version: 2021\n1 - Clothing\n2 - Clothing > Headwear\n7 - Clothing > Boots\n4 - Clothing > Ties\n"
    + "".join(f"{n} - Clothing > Ties > T{n}\n" for n in range(10, 17)),
    "new",
)
MOVES = Moves([FORMER], CURRENT)
CONFIRMED = Moves([FORMER], CURRENT, {2: 2})


@pytest.mark.parametrize(
    ("text", "category_id", "source"),
    [
        ("7", 7, COLUMN),
        ("Clothing > Boots", 7, COLUMN),
        ("Clothing > Headwear", 2, COLUMN),  # a path of today is beyond doubt
        ("3", 7, "moved:2019:3"),
        ("T", None, None),
    ],
)
def test_a_text_has_a_current_category_or_the_one_that_replaced_it(
    text: str, category_id: int | None, source: str | None
) -> None:
    label = label_of(text, CURRENT, MOVES)
    assert (label.category_id, label.source) == (category_id, source)
    assert (label.reason is None) == (category_id is not None)


@pytest.mark.parametrize("text", ["2", " 2 ", "clothing>hats", "Clothing > Hats"])
def test_an_id_with_another_path_is_not_followed_until_a_person_confirms_it(text: str) -> None:
    label = label_of(text, CURRENT, MOVES)
    assert (label.category_id, label.source, label.reason) == (None, "changed:2019:2", "category_changed")
    assert label.detail is not None
    assert "is 'Clothing > Hats' of version 2019, but its id is 'Clothing > Headwear' now" in label.detail
    assert "write 2,2 into taxonomy-moves.csv" in label.detail
    assert label_of(text, CURRENT, CONFIRMED).category_id == 2


def test_a_leaf_that_was_split_keeps_its_category_and_lists_the_new_leaves() -> None:
    assert label_of("4", CURRENT, MOVES) == Label(
        4,
        "split:2019:4",
        "category_split",
        "google_product_category '4' is 'Clothing > Ties' of version 2019, no leaf any more; write "
        "'Clothing > Ties > T10' or 'Clothing > Ties > T11' or 'Clothing > Ties > T12' or 'Clothing > Ties > T13' or "
        "'Clothing > Ties > T14' or 2 more; the product is kept with 'Clothing > Ties'",
    )


def test_a_lost_category_is_named_and_leaves_the_product_without_one() -> None:
    assert label_of("5", CURRENT, MOVES) == Label(
        None,
        "lost:2019:5",
        "category_lost",
        "google_product_category '5' is 'Toys' of version 2019, which is lost; the product is kept without it",
    )


def test_a_lost_category_with_a_namesake_names_it() -> None:
    lost = Moves([Taxonomy.parse("# Version: 2018\n1 - Clothing\n90 - Clothing > Boot\n", "2018")], CURRENT)
    label = label_of("90", CURRENT, lost)
    assert label.detail is not None
    assert "'Clothing > Boot' of version 2018, which is lost; the nearest known is 'Clothing > Boots';" in label.detail
    unguessed = label_of("90", CURRENT, lost, guess=False)
    assert unguessed.detail == label.detail.replace("; the nearest known is 'Clothing > Boots'", "")


def test_a_curated_move_goes_before_the_taxonomy() -> None:
    moves = Moves([FORMER], CURRENT, {4: 12, 2: None})
    for text in ("4", "Clothing > Ties"):
        assert label_of(text, CURRENT, moves) == Label(12, "moved:2019:4")
    assert label_of("Clothing > Headwear", CURRENT, moves).source == "lost:2019:2"


def test_labels_are_a_row_a_text_and_follow_the_taxonomy_without_former_versions() -> None:
    labels = labels_of(["7", "5", "Clothing > Boot"], CURRENT, Moves((), CURRENT))
    assert labels.schema == LABELS_SCHEMA
    assert labels.select("text", "label_id", "label_source", "reason").rows() == [
        ("7", 7, COLUMN, None),
        ("5", None, None, "unknown_category"),
        ("Clothing > Boot", None, None, "unknown_category"),
    ]
    assert "the nearest known is 'Clothing > Boots'" in labels["detail"][2]


def parsed_feed(*categories: str, product_type: str = "") -> ParsedFeed:
    rows = "".join(f"{n}\tt\tu\t{category}\t{product_type}\n" for n, category in enumerate(categories))
    feed = io.BytesIO(f"id\ttitle\timage_link\tgoogle_product_category\tproduct_type\n{rows}".encode())
    partner = PartnerSettings(partner_id="acme", product_types={"Kopf": "Clothing > Hats", "Fuß": "3"})
    return parse_products(
        FEED_READERS["google_tsv"](feed, "feed.tsv", DEFAULT_OPTIONS),
        partner=partner,
        delivery="d",
        taxonomy=CURRENT,
        moves=CONFIRMED,
    )


def test_products_get_their_category_through_the_moves_and_others_a_reason() -> None:
    parsed = parsed_feed("7", "3", "4", "5", "nowhere", "")
    assert parsed.products.select("category_id", "category_source").rows() == [
        (7, COLUMN),
        (7, "moved:2019:3"),
        (4, "split:2019:4"),
        (None, "lost:2019:5"),
        (None, None),
        (None, None),
    ]
    assert parsed.rejected.select("row", "reason").rows() == [
        (3, "category_split"),
        (4, "category_lost"),
        (5, "unknown_category"),
    ]


def test_the_partner_s_product_type_labels_where_google_s_category_is_lost() -> None:
    assert parsed_feed("5", product_type="Fuß").products.select("category_id", "category_source").rows() == [
        (7, "product_type")
    ]


def test_a_mapping_of_product_types_follows_moves_and_refuses_lost_categories() -> None:
    mapped = PartnerSettings(partner_id="acme", product_types={"Kopf": "Clothing > Hats", "Fuß": "3", "Hals": "4"})
    assert mapped_categories(mapped, CURRENT, CONFIRMED) == {"kopf": 2, "fuss": 7, "hals": 4}
    with pytest.raises(ValueError, match=r"'Kopf' is mapped to 'Clothing > Hats', which was .* write 2,2 into"):
        mapped_categories(mapped, CURRENT, MOVES)
    lost = PartnerSettings(partner_id="acme", product_types={"Spiel": "5"}, product_types_file="types.csv")
    with pytest.raises(ValueError, match=r"types\.csv: 'Spiel' is mapped to '5', .* it was 'Toys' in version 2019"):
        mapped_categories(lost, CURRENT, MOVES)
