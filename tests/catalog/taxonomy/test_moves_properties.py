"""Moves between versions of a taxonomy: what holds for all trees."""

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.taxonomy.moves import KINDS, Move, Moves
from catalog.taxonomy.tree import Taxonomy
from tests.catalog.taxonomy.test_moves import version

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
        assert (move.new_id is None) == (move.kind in ("split", "changed", "lost"))
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
def test_kinds_of_moves_follow_the_rules(old: Taxonomy, current: Taxonomy) -> None:
    for move in Moves([old], current):
        new_id = successor(move.old_id, old, current)
        if new_id == move.old_id and current.path(new_id) != move.old_path:
            assert move.kind == "changed" or is_confirmed_above(move.old_id, old, current)
        elif new_id is None:
            assert move.kind in ("merged", "lost")
        elif move.was_leaf and not current.is_leaf(new_id):
            assert (move.kind, move.ancestor_id) == ("split", new_id)
        elif new_id != move.old_id:
            assert move.kind in ("moved", "merged")
            assert move.new_id == new_id
        else:
            assert (move.kind, move.new_id) == ("kept", new_id)


def is_confirmed_above(old_id: int, old: Taxonomy, current: Taxonomy) -> bool:
    """True if a category has its old name, and its parent's path has another id: nothing of its own has changed."""
    parent = old.lineage(old_id)[-2:-1]
    return old.name(old_id) == current.name(old_id) and bool(parent) and parent[0] not in current


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
        elif successor(move.old_id, first, current) is not None or direct[move.old_id].kind == "changed":
            assert where(move) == where(direct[move.old_id])
        elif (between := successor(move.old_id, first, second)) is not None and step[between].kind not in (
            "merged",
            "lost",
        ):
            assert where(move) == where(step[between]) or move.kind == "split"


def where(move: Move) -> int | None:
    """The category of the current version at which a label ends."""
    return move.new_id if move.new_id is not None else move.ancestor_id
