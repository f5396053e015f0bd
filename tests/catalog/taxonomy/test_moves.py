"""Moves between versions of a taxonomy: every rule by example."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from catalog.taxonomy.moves import MOVES_SCHEMA, Move, Moves
from catalog.taxonomy.tree import Taxonomy

GOOGLE_FILE = Path(__file__).parents[4] / "shared/data/google_taxonomy/taxonomy-with-ids.en-US.txt"
OLD = (
    "1 - Clothing|2 - Clothing > Hats|3 - Clothing > Boots|4 - Clothing > Ties|5 - Toys|6 - Toys > Yo-Yos|"
    "7 - Toys > Kites|8 - Garden|9 - Garden > Pots|10 - Garden > Pots > Clay|11 - Music"
)


def version(lines: str, name: str = "2021") -> Taxonomy:
    text = lines.replace("|", "\n")
    return Taxonomy.parse(f"# Version: {name}\n{text}", f"{name}.txt")


def moved(old: str, new: str, curated: Mapping[int, int | None] | None = None) -> dict[int, Move]:
    return {move.old_id: move for move in Moves([version(old, "2019")], version(new), curated or {})}


def edited(*edits: tuple[str, str]) -> str:
    new = OLD
    for before, after in edits:
        assert before in new
        new = new.replace(before, after)
    return new


@pytest.mark.parametrize(
    ("edits", "old_id", "kind", "new_id"),
    [
        ((), 2, "kept", 2),
        ((("> Hats", "> HATS"),), 2, "kept", 2),
        ((("> Hats", "> Headwear"),), 2, "changed", None),
        ((("Clothing", "Apparel"),), 1, "changed", None),
        ((("Clothing", "Apparel"),), 2, "changed", None),
        ((("7 - Toys > Kites", "7 - Clothing > Kites"),), 7, "changed", None),
        ((("7 - Toys > Kites", "12 - Toys > Games|7 - Toys > Games > Kites"),), 7, "changed", None),
        ((("7 - Toys > Kites", "7 - Toys > Cars"),), 7, "changed", None),
        ((("7 - Toys > Kites", "7 - Toys > Cars|12 - Toys > Kites"),), 7, "changed", None),
        (
            (("3 - Clothing > Boots|4 - Clothing > Ties", "3 - Clothing > Ties|4 - Clothing > Boots"),),
            3,
            "changed",
            None,
        ),
        ((("7 - Toys > Kites", "7 - Kites"),), 7, "changed", None),
        ((("11 - Music", "11 - Garden > Music"),), 11, "changed", None),
        ((("2 - Clothing > Hats", "20 - Clothing > Hats"),), 2, "moved", 20),
        ((("|6 - Toys > Yo-Yos", ""), ("7 - Toys > Kites", "7 - Toys > Yo-Yos")), 6, "moved", 7),
        ((("|6 - Toys > Yo-Yos|7 - Toys > Kites", ""),), 6, "merged", 5),
        ((("4 - Clothing > Ties", "4 - Clothing > Ties|40 - Clothing > Ties > Bow Ties"),), 4, "split", None),
        ((("4 - Clothing > Ties", "41 - Clothing > Ties|40 - Clothing > Ties > Bow Ties"),), 4, "split", None),
        ((("|6 - Toys > Yo-Yos", ""),), 6, "lost", None),
        ((("|11 - Music", ""),), 11, "lost", None),
        ((("|10 - Garden > Pots > Clay", ""),), 10, "merged", 9),
        ((("|10 - Garden > Pots > Clay", ""),), 9, "kept", 9),
    ],
)
def test_each_rule(edits: tuple[tuple[str, str], ...], old_id: int, kind: str, new_id: int | None) -> None:
    move = moved(OLD, edited(*edits))[old_id]
    assert (move.kind, move.new_id) == (kind, new_id)
    assert move.version == "2019"
    assert (move.new_path is None) == (new_id is None)


def test_a_split_label_stays_at_the_inner_node_and_names_the_leaves_to_choose_from() -> None:
    move = moved(OLD, edited(("4 - Clothing > Ties", "4 - Clothing > Ties|40 - Clothing > Ties > Bow Ties")))[4]
    assert (move.ancestor_id, move.candidates) == (4, (40,))
    assert move.reason == "'Clothing > Ties' has children now; the leaves below it: 1"


def test_a_lost_label_names_its_deepest_surviving_ancestor_and_what_looks_like_it() -> None:
    new = edited(("|10 - Garden > Pots > Clay", "|12 - Garden > Pots > Clays|13 - Garden > Pots > Tin"))
    move = moved(OLD, new)[10]
    assert (move.kind, move.ancestor_id, move.candidates) == ("lost", 9, (12,))
    assert moved(OLD, edited(("|11 - Music", "")))[11].ancestor_id is None
    assert moved(OLD, edited(("|6 - Toys > Yo-Yos", "")))[6].candidates == ()  # its ancestor is known already


def test_two_categories_moved_to_one_are_a_merge_with_their_number() -> None:
    moves = moved(OLD, edited(("|6 - Toys > Yo-Yos", "")), {6: 7})
    assert (moves[6].kind, moves[6].new_id) == ("merged", 7)
    assert moves[6].reason == "decided in taxonomy-moves.csv; the labels of 1 more go there"
    assert moves[7].kind == "kept"


def test_manual_decisions_precede_every_rule() -> None:
    new = edited(("4 - Clothing > Ties", "4 - Clothing > Ties|40 - Clothing > Ties > Bow Ties"), ("|11 - Music", ""))
    moves = moved(OLD, new, {4: 40, 11: 8, 2: 5, 3: None})
    assert [(moves[old].kind, moves[old].new_id) for old in (4, 11, 2, 3)] == [
        ("moved", 40),
        ("merged", 8),
        ("merged", 5),
        ("lost", None),
    ]
    assert moves[3].reason == "dropped in taxonomy-moves.csv"


def test_a_changed_id_names_what_it_was_what_it_is_and_the_lines_that_settle_it() -> None:
    move = moved(OLD, edited(("7 - Toys > Kites", "7 - Toys > Cars|12 - Toys > Kites")))[7]
    assert (move.old_path, move.candidates, move.ancestor_id) == ("Toys > Kites", (12, 7), 5)
    assert "its id is 'Toys > Cars' now" in move.reason
    assert "write 7,7 into taxonomy-moves.csv" in move.reason


@pytest.mark.parametrize(
    ("edits", "curated", "kinds"),
    [
        ((("Clothing", "Apparel"),), {1: 1}, {1: "moved", 2: "renamed", 3: "renamed"}),
        ((("> Hats", "> Headwear"),), {2: 2}, {2: "moved"}),
        ((("Clothing", "Apparel"), ("> Hats", "> Cars")), {1: 1}, {2: "changed", 3: "renamed"}),
        ((("Garden", "Yard"), ("> Pots", "> Vessels")), {8: 8}, {9: "changed", 10: "changed"}),
        ((("Garden", "Yard"), ("> Pots", "> Vessels")), {8: 8, 9: 9}, {9: "moved", 10: "renamed"}),
        ((("7 - Toys > Kites", "7 - Toys > Cars"),), {7: None}, {7: "lost"}),
    ],
)
def test_a_confirmed_category_confirms_those_below_it_that_kept_their_names(
    edits: tuple[tuple[str, str], ...], curated: Mapping[int, int | None], kinds: Mapping[int, str]
) -> None:
    moves = moved(OLD, edited(*edits), curated)
    assert {old_id: moves[old_id].kind for old_id in kinds} == kinds


def test_an_id_that_any_former_version_had_for_another_category_is_not_followed() -> None:
    boots, cars = version("1 - A|5 - A > Boots", "1"), version("1 - A|5 - A > Cars", "2")
    moves = Moves([boots, cars], version("1 - A|5 - A > Cars", "3"))
    found = moves.of_label("5")
    assert found is not None
    assert (found.version, found.kind) == ("1", "changed")
    assert moves.of_label("A > Cars") is None  # a path of today is beyond doubt
    assert [move.old_id for move in moves.changed] == [5]
    assert Moves([boots, cars], version("1 - A|5 - A > Cars", "3"), {5: 5}).changed == ()


def test_a_decision_about_a_category_that_no_former_version_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"moves category 99, which no former version has \(2019\); correct the id"):
        moved(OLD, OLD, {99: 2})
    with pytest.raises(ValueError, match="there is none"):
        Moves((), version(OLD), {99: 2})


def test_a_category_is_traced_through_the_versions_between() -> None:
    first, second = version("1 - A|2 - A > B", "1"), version("1 - A|3 - A > B", "2")
    moves = {(move.version, move.old_id): move for move in Moves([first, second], version("1 - A|3 - A > C", "3"))}
    assert (moves["1", 2].kind, moves["1", 2].new_path) == ("lost", None)
    assert (moves["2", 3].kind, moves["2", 3].new_path) == ("changed", None)
    settled = {move.version: move for move in Moves([first, second], version("1 - A|3 - A > C", "3"), {3: 3})}
    assert (settled["1"].kind, settled["1"].new_path) == ("moved", "A > C")


def test_a_label_means_what_it_meant_in_the_newest_version_that_knows_it() -> None:
    moves = Moves([version("1 - A|2 - A > B", "1"), version("1 - A|2 - A > C", "2")], version("1 - A|2 - A > D", "3"))
    by_id, by_old_path = moves.of(" 2"), moves.of("a>b")
    assert by_id is not None
    assert by_old_path is not None
    assert (by_id.version, by_old_path.version) == ("2", "1")
    assert by_id.kind == "changed"
    assert moves.of("A > D") is None


def test_a_former_version_in_another_language_is_matched_by_its_names() -> None:
    german = version("1 - Kleidung|2 - Kleidung > Hüte", "2019")
    current = version("1 - Clothing|2 - Clothing > Hats")
    assert {move.kind for move in Moves([german], current)} == {"changed"}
    assert {move.kind for move in Moves([german], current.with_language(german, "de"))} == {"kept"}


def test_the_table_has_a_row_for_every_category_of_every_former_version() -> None:
    table = Moves([version(OLD, "2018"), version(OLD, "2019")], version(OLD)).table()
    assert table.schema == MOVES_SCHEMA
    assert table.height == 22
    assert set(table["kind"]) == {"kept"}
    empty = Moves((), version(OLD)).table()
    assert (empty.schema, empty.height) == (MOVES_SCHEMA, 0)


def test_extensions_below_leaves_of_the_whole_google_file_split_just_those() -> None:
    if not GOOGLE_FILE.exists():
        pytest.skip(f"Google's whole taxonomy is not at {GOOGLE_FILE}")
    google = Taxonomy.parse(GOOGLE_FILE.read_text(), "google")
    extended = google.extended(
        "".join(f"{1_000_000 + n} - {google.path(leaf)} > Own\n" for n, leaf in enumerate(google.leaves[:10])), "own"
    )
    table = Moves([google], extended).table()
    assert dict(table["kind"].value_counts().iter_rows()) == {"kept": 5_585, "split": 10}
    assert table.filter(kind="split")["candidates"].list.first().to_list() == list(range(1_000_000, 1_000_010))


def test_a_foreign_taxonomy_is_lost_but_for_what_happens_to_be_called_the_same() -> None:
    old = version("|".join(["900 - Other", *(f"{901 + n} - Other > T{n}" for n in range(300))]), "other")
    table = Moves([old], version(OLD)).table()
    assert set(table["kind"]) == {"lost"}
    assert table["ancestor_id"].null_count() == table.height
    assert table.filter(pl.col("candidates").list.len() > 0).is_empty()
