"""Moves: the current category of every category of former taxonomy versions, and so of labels that name it.

For each category of a former version, the first of these rules that applies:

========  ============================================================================================================
kept      the id is known and means the same path
renamed   the id is known and has the same name of its own, below an ancestor whose other name a person has confirmed
moved     the id is gone and its path has another id; or a person decided, for it or for its ancestors
merged    the id is gone, and its successor (by path, or a person's decision) takes the labels of others too; or only
          an ancestor remains that has no children any more, and is the successor
changed   the id is known under another path, and nobody has confirmed that it means the same category
split     the successor of a leaf has children now: the child that a label means is unknown
lost      nothing takes its place
========  ============================================================================================================

A category without a successor in the current version is traced through the versions between, so that one that
changed its id in one version and its path in the next is found too. Decisions in `taxonomy-moves.csv` precede every
rule. Names that are merely similar decide nothing: they are candidates.

An id under another path may be the same category with a better name, or another category that was given the id: 5 was
Boots and is Cars. Only a person knows, so a label with such an id is dropped until `taxonomy-moves.csv` has a line for
it: `5,5` confirms that it is the same category, `5,9` names the one that took its place. A confirmed category confirms
those below it that kept their own names.

A split, changed or lost label has an `ancestor_id`, the deepest category of the current version that certainly contains
it. A split label stays there, because its id or path is still valid. A changed or lost one is dropped: its product has
no label rather than the ancestor, which training would treat as a category beside its own children. A line in
`taxonomy-moves.csv` resolves each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import polars as pl

from catalog.taxonomy.tree import Taxonomy, canonical_path

KINDS = ("kept", "renamed", "moved", "merged", "split", "changed", "lost")
MOVES_SCHEMA = pl.Schema(
    {
        "version": pl.String(),
        "old_id": pl.Int64(),
        "old_path": pl.String(),
        "was_leaf": pl.Boolean(),
        "kind": pl.String(),
        "new_id": pl.Int64(),
        "new_path": pl.String(),
        "ancestor_id": pl.Int64(),
        "candidates": pl.List(pl.Int64()),
        "reason": pl.String(),
    }
)
_MAX_GUESSES = 1_000  # each takes milliseconds, and all categories of a foreign taxonomy may be lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """The move of one category of a former version; `new_id` is None where it was split, changed or lost."""

    version: str
    old_id: int
    old_path: str
    was_leaf: bool
    kind: str
    new_id: int | None = None
    new_path: str | None = None
    ancestor_id: int | None = None
    candidates: tuple[int, ...] = ()
    reason: str


class Moves:
    """Moves of all former versions onto the current taxonomy, and the lookup of a label of any of them."""

    def __init__(
        self,
        former: Sequence[Taxonomy],
        current: Taxonomy,
        curated: Mapping[int, int | None] = MappingProxyType({}),
    ) -> None:
        """Computes the moves.

        Args:
            former: versions before `current`, oldest first.
            current: the current taxonomy.
            curated: manual decisions, old id -> current id, or None for lost.

        Raises:
            ValueError: `curated` names an id that no former version has.
        """
        self._former = former
        self._current = current
        self._curated = dict(curated)
        unknown = sorted(curated.keys() - {category_id for version in former for category_id in version.ids})
        if unknown:
            known = ", ".join(_version(version) for version in former) or "there is none"
            raise ValueError(
                f"taxonomy-moves.csv moves category {unknown[0]}, which no former version has ({known}); "
                "correct the id, or put the version that has it into previous/"
            )
        self._traced: dict[tuple[int, int], int | None] = {}
        self._same: dict[tuple[int, int], bool] = {}
        self._moves = [self._of_version(index) for index in range(len(former))]
        self._changed = {
            str(old_id): move for moves in self._moves for old_id, move in moves.items() if move.kind == "changed"
        }

    def __iter__(self) -> Iterator[Move]:
        """Yields every move by version and old id; the first lost ones have a category with a similar name."""
        num_guesses = 0
        for moves in self._moves:
            for move in moves.values():
                guess = move.kind == "lost" and num_guesses < _MAX_GUESSES
                num_guesses += guess
                yield replace(move, candidates=self._guess(move)) if guess else move

    def of(self, text: str) -> Move | None:
        """Returns the move of the category that a text names by id or path in the newest former version that has it.

        An id that any former version had for another category is changed, whatever the newest of them says. A lost one
        has no candidates: a guess takes milliseconds, and a caller may have thousands of texts.
        """
        if (changed := self._changed.get(text.strip())) is not None:
            return changed
        for version, moves in zip(reversed(self._former), reversed(self._moves), strict=True):
            old_id = version.resolve(text)
            if old_id is not None:
                return moves[old_id]
        return None

    def of_label(self, text: str) -> Move | None:
        """Returns the move of the category that a label names now or named formerly, or None.

        A path of the current taxonomy names its category beyond doubt, also where its id was another category's.
        """
        category_id = self._current.resolve(text)
        if category_id is None or text.strip().isdecimal():
            return self.of(text)
        move = self.of(str(category_id))
        return None if move is not None and move.kind == "changed" else move

    @property
    def changed(self) -> tuple[Move, ...]:
        """The ids that have another path now, and that nobody has confirmed; of each, the newest version's move."""
        return tuple(sorted(self._changed.values(), key=lambda move: move.old_id))

    def table(self) -> pl.DataFrame:
        """Returns one row per category of each former version, with the columns `MOVES_SCHEMA`."""
        moves = list(self)
        return pl.DataFrame(
            {name: [getattr(move, name) for move in moves] for name in MOVES_SCHEMA.names()}, schema=MOVES_SCHEMA
        )

    def _of_version(self, index: int) -> dict[int, Move]:
        moves = {old_id: self._move(index, old_id) for old_id in self._former[index].ids}
        num_from = Counter(move.new_id for move in moves.values())
        for old_id, move in moves.items():
            if move.new_id not in (None, old_id) and num_from[move.new_id] > 1 and move.kind == "moved":
                reason = f"{move.reason}; the labels of {num_from[move.new_id] - 1} more go there"
                moves[old_id] = replace(move, kind="merged", reason=reason)
        return moves

    def _move(self, index: int, old_id: int) -> Move:
        version, current = self._former[index], self._current
        move = Move(
            version=_version(version),
            old_id=old_id,
            old_path=version.path(old_id),
            was_leaf=version.is_leaf(old_id),
            kind="lost",
            reason="nothing takes its place",
        )
        new_id = self._successor(index, old_id)
        if new_id is None:
            return self._without_successor(index, move)
        if old_id in self._curated:
            return _settled(move, "moved", new_id, current, "decided in taxonomy-moves.csv")
        if move.was_leaf and not current.is_leaf(new_id):
            leaves = current.leaves_below(new_id)
            return replace(
                move,
                kind="split",
                ancestor_id=new_id,
                candidates=leaves,
                reason=f"{current.path(new_id)!r} has children now; the leaves below it: {len(leaves)}",
            )
        kind, reason = self._kind(index, old_id, new_id)
        return _settled(move, kind, new_id, current, reason)

    def _kind(self, index: int, old_id: int, new_id: int) -> tuple[str, str]:
        version, current = self._former[index], self._current
        if new_id != old_id:
            return "moved", f"its id is gone; {current.path(new_id)!r} takes its place"
        if current.resolve(version.path(old_id)) == old_id:
            return "kept", "the same id and path"
        ancestors = tuple(self._successor(index, ancestor) for ancestor in version.lineage(old_id)[:-1])
        if ancestors == version.lineage(old_id)[:-1]:
            return "renamed", "the same id and name, below an ancestor with another name"
        return "moved", "the same id and name, below other ancestors"

    def _without_successor(self, index: int, move: Move) -> Move:
        version, current = self._former[index], self._current
        surviving = (self._successor(index, ancestor) for ancestor in reversed(version.lineage(move.old_id)[:-1]))
        ancestor_id = next((ancestor for ancestor in surviving if ancestor is not None), None)
        if move.old_id in self._curated:
            return replace(move, ancestor_id=ancestor_id, reason="dropped in taxonomy-moves.csv")
        if move.old_id in current:
            return self._changed_move(replace(move, ancestor_id=ancestor_id))
        if ancestor_id is not None and current.is_leaf(ancestor_id):
            return _settled(
                move, "merged", ancestor_id, current, f"its id is gone, and {current.path(ancestor_id)!r} is a leaf"
            )
        return replace(move, ancestor_id=ancestor_id)

    def _changed_move(self, move: Move) -> Move:
        """Returns the move of an id that has another path; its candidates are what may take its place."""
        same_path = self._current.resolve(move.old_path)
        return replace(
            move,
            kind="changed",
            candidates=tuple(each for each in (same_path, move.old_id) if each is not None),
            reason=f"its id is {self._current.path(move.old_id)!r} now, and nobody has confirmed that it is the same; "
            f"write {move.old_id},{move.old_id} into taxonomy-moves.csv if it is, or the id that took its place",
        )

    def _guess(self, move: Move) -> tuple[int, ...]:
        """Returns the category with a similar name, unless its ancestor is already known."""
        nearest = self._current.resolve(self._current.nearest(move.old_path) or "")
        known = () if move.ancestor_id is None else self._current.lineage(move.ancestor_id)
        return () if nearest is None or nearest in known else (nearest,)

    def _successor(self, index: int, old_id: int) -> int | None:
        """Returns the current successor of a former version's category, if any."""
        if (index, old_id) not in self._traced:
            self._traced[index, old_id] = self._trace(index, old_id)
        return self._traced[index, old_id]

    def _trace(self, index: int, old_id: int) -> int | None:
        if old_id in self._curated:
            return self._curated[old_id]
        if old_id in self._current:
            return old_id if self._is_same(index, old_id) else None
        path = self._former[index].path(old_id)
        found = self._current.resolve(path)
        for later in range(index + 1, len(self._former)):
            if found is not None:
                break
            between = self._former[later]
            known = old_id if old_id in between else between.resolve(path)
            found = None if known is None else self._successor(later, known)
        return found

    def _is_same(self, index: int, old_id: int) -> bool:
        """True if an id of both versions means the same path, or the same name below a successor of its parent."""
        if (index, old_id) not in self._same:
            version, current = self._former[index], self._current
            is_same = current.resolve(version.path(old_id)) == old_id
            if not is_same and canonical_path(version.name(old_id)) == canonical_path(current.name(old_id)):
                old_lineage, new_lineage = version.lineage(old_id), current.lineage(old_id)
                has_parents = len(old_lineage) > 1 and len(new_lineage) > 1
                is_same = has_parents and self._successor(index, old_lineage[-2]) == new_lineage[-2]
            self._same[index, old_id] = is_same
        return self._same[index, old_id]


def _settled(move: Move, kind: str, new_id: int, current: Taxonomy, reason: str) -> Move:
    return replace(move, kind=kind, new_id=new_id, new_path=current.path(new_id), reason=reason)


def _version(taxonomy: Taxonomy) -> str:
    return taxonomy.version or "unversioned"
