"""Moves between versions of a taxonomy: every rule by example, and what holds for all trees."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.taxonomy import Taxonomy
from catalog.taxonomy_moves import KINDS, MOVES_SCHEMA, Move, Moves

GOOGLE_FILE = Path(__file__).parents[3] / "shared/data/google_taxonomy/taxonomy-with-ids.en-US.txt"
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
        ((("> Hats", "> Headwear"),), 2, "renamed", 2),
        ((("Clothing", "Apparel"),), 2, "renamed", 2),
        ((("7 - Toys > Kites", "7 - Clothing > Kites"),), 7, "moved", 7),
        ((("7 - Toys > Kites", "12 - Toys > Games|7 - Toys > Games > Kites"),), 7, "moved", 7),
        ((("2 - Clothing > Hats", "20 - Clothing > Hats"),), 2, "moved", 20),
        ((("|6 - Toys > Yo-Yos", ""), ("7 - Toys > Kites", "7 - Toys > Yo-Yos")), 6, "merged", 7),
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
    assert moved(OLD, edited(("|6 - Toys > Yo-Yos", "")))[6].candidates == ()  # its ancestor is told already


def test_two_categories_onto_one_are_merged_and_say_of_how_many() -> None:
    moves = moved(OLD, edited(("|6 - Toys > Yo-Yos", "")), {6: 7})
    assert (moves[6].kind, moves[6].new_id) == ("merged", 7)
    assert moves[6].reason == "taxonomy-moves.csv says so; the labels of 1 more go there"
    assert moves[7].kind == "kept"


def test_what_people_decide_comes_before_every_rule() -> None:
    new = edited(("4 - Clothing > Ties", "4 - Clothing > Ties|40 - Clothing > Ties > Bow Ties"), ("|11 - Music", ""))
    moves = moved(OLD, new, {4: 40, 11: 8, 2: 5, 3: None})
    assert [(moves[old].kind, moves[old].new_id) for old in (4, 11, 2, 3)] == [
        ("moved", 40),
        ("merged", 8),
        ("merged", 5),
        ("lost", None),
    ]
    assert moves[3].reason == "taxonomy-moves.csv gives it up"


def test_a_decision_about_a_category_that_no_former_version_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"moves category 99, which no former version has \(2019\); correct the id"):
        moved(OLD, OLD, {99: 2})
    with pytest.raises(ValueError, match="there is none"):
        Moves((), version(OLD), {99: 2})


def test_a_category_that_changed_its_id_and_then_its_path_is_followed_through_the_versions_between() -> None:
    first, second = version("1 - A|2 - A > B", "1"), version("1 - A|3 - A > B", "2")
    moves = {(move.version, move.old_id): move for move in Moves([first, second], version("1 - A|3 - A > C", "3"))}
    assert (moves["1", 2].kind, moves["1", 2].new_path) == ("moved", "A > C")
    assert (moves["2", 3].kind, moves["2", 3].new_path) == ("renamed", "A > C")


def test_a_label_means_what_it_meant_in_the_newest_version_that_knows_it() -> None:
    moves = Moves([version("1 - A|2 - A > B", "1"), version("1 - A|2 - A > C", "2")], version("1 - A|2 - A > D", "3"))
    by_id, by_old_path = moves.of(" 2"), moves.of("a>b")
    assert by_id is not None
    assert by_old_path is not None
    assert (by_id.version, by_old_path.version) == ("2", "1")
    assert moves.of("A > D") is None


def test_a_former_version_in_another_language_keeps_what_the_languages_at_hand_explain() -> None:
    german = version("1 - Kleidung|2 - Kleidung > Hüte", "2019")
    current = version("1 - Clothing|2 - Clothing > Hats")
    assert {move.kind for move in Moves([german], current)} == {"renamed"}
    assert {move.kind for move in Moves([german], current.also_named(german, "de"))} == {"kept"}


def test_the_table_has_a_row_a_category_and_version_and_is_empty_without_former_versions() -> None:
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


# A tree is a list of nodes, each the place of its parent and a name; ids and order are drawn apart from it.
NODES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abcdef")), min_size=1, max_size=14)


@st.composite
def taxonomies(draw: st.DrawFn, name: str = "x") -> Taxonomy:
    """Small trees over few names and ids, so that two of them share some and confuse others."""
    paths: list[str] = []
    for parent, own in draw(NODES):
        path = own if parent >= len(paths) else f"{paths[parent]} > {own}"
        if path not in paths:
            paths.append(path)
    ids = draw(st.lists(st.integers(1, 30), min_size=len(paths), max_size=len(paths), unique=True))
    return version("|".join(f"{id_} - {path}" for id_, path in zip(ids, paths, strict=True)), name)


def successor(old_id: int, old: Taxonomy, new: Taxonomy) -> int | None:
    return old_id if old_id in new else new.resolve(old.path(old_id))


@given(former=st.lists(taxonomies(), max_size=3), current=taxonomies(), data=st.data())
@settings(max_examples=150)
def test_every_category_of_every_version_has_exactly_one_move_that_is_whole(
    former: list[Taxonomy], current: Taxonomy, data: st.DataObject
) -> None:
    known = sorted({category_id for old in former for category_id in old.ids})
    targets = st.none() | st.sampled_from(current.ids)
    curated = data.draw(st.dictionaries(st.sampled_from(known), targets)) if known else {}
    moves = list(Moves(former, current, curated))
    assert [(move.old_id, move.old_path) for move in moves] == [(n, old.path(n)) for old in former for n in old.ids]
    for move in moves:
        assert move.kind in KINDS
        assert (move.new_id is None) == (move.kind in ("split", "lost"))
        assert move.new_path == (None if move.new_id is None else current.path(move.new_id))
        if move.old_id in curated:  # overrides every rule
            assert move.new_id == curated[move.old_id]
        if move.kind == "split":
            assert move.was_leaf
            assert move.ancestor_id is not None
            assert move.candidates == current.leaves_below(move.ancestor_id)
            assert not current.is_leaf(move.ancestor_id)
        elif move.was_leaf and move.new_id is not None and move.old_id not in curated:
            assert current.is_leaf(move.new_id)  # a leaf's label goes on naming a leaf
        if move.kind == "lost" and move.ancestor_id is not None and move.old_id not in curated:
            assert not current.is_leaf(move.ancestor_id)


@given(taxonomy=taxonomies(), former=st.lists(taxonomies(), max_size=2))
def test_of_a_version_that_equals_the_current_one_everything_is_kept(
    taxonomy: Taxonomy, former: list[Taxonomy]
) -> None:
    moves = Moves([*former, taxonomy], taxonomy).table().tail(len(taxonomy))
    assert set(moves["kind"]) == {"kept"}
    assert moves["new_id"].equals(moves["old_id"].alias("new_id"))


@given(old=taxonomies(), current=taxonomies())
@settings(max_examples=200)
def test_kinds_are_what_the_rules_say_of_a_pair_of_versions(old: Taxonomy, current: Taxonomy) -> None:
    for move in Moves([old], current):
        new_id = successor(move.old_id, old, current)
        if new_id is None:
            assert move.kind in ("merged", "lost")
        elif move.was_leaf and not current.is_leaf(new_id):
            assert (move.kind, move.ancestor_id) == ("split", new_id)
        elif new_id != move.old_id:
            assert move.kind in ("moved", "merged")
            assert move.new_id == new_id
        else:
            assert move.new_id == new_id
            same_path = current.path(new_id) == move.old_path
            ancestors = tuple(successor(ancestor, old, current) for ancestor in old.lineage(move.old_id)[:-1])
            same_place = ancestors == current.lineage(new_id)[:-1]
            assert move.kind == ("kept" if same_path else "renamed" if same_place else "moved")


@given(first=taxonomies(name="1"), second=taxonomies(name="2"), current=taxonomies(name="3"))
@settings(max_examples=200)
def test_two_steps_lead_where_one_does_and_further_where_one_leads_nowhere(
    first: Taxonomy, second: Taxonomy, current: Taxonomy
) -> None:
    direct = {move.old_id: move for move in Moves([first], current)}
    step = {move.old_id: move for move in Moves([second], current)}
    for move in Moves([first, second], current):
        if move.version == "2":
            assert move == step[move.old_id]
        elif successor(move.old_id, first, current) is not None:
            assert where(move) == where(direct[move.old_id])
        elif (between := successor(move.old_id, first, second)) is not None and step[between].kind not in (
            "merged",
            "lost",
        ):
            assert where(move) == where(step[between]) or move.kind == "split"


def where(move: Move) -> int | None:
    """The category of the current version at which a label ends."""
    return move.new_id if move.new_id is not None else move.ancestor_id


def test_a_foreign_taxonomy_is_lost_but_for_what_happens_to_be_called_the_same() -> None:
    old = version("|".join(["900 - Other", *(f"{901 + n} - Other > T{n}" for n in range(300))]), "other")
    table = Moves([old], version(OLD)).table()
    assert set(table["kind"]) == {"lost"}
    assert table["ancestor_id"].null_count() == table.height
    assert table.filter(pl.col("candidates").list.len() > 0).is_empty()
