"""Moves: what became of every category of the taxonomy's former versions, and so of the labels that name it.

For each category of a former version, the first of these rules that applies:

========  ============================================================================================================
kept      the id is known and means the same path
renamed   the id is known, below the same ancestors, under another name of its own or of an ancestor's
moved     the id is known, below other ancestors; or the id is gone and its path has another id; or a person decided
merged    the id is gone, and its successor (by path, or a person's decision) takes the labels of others too; or all
          that is left of it is an ancestor that has no children any more, which therefore says all there is to say
split     a leaf, in whichever of these ways it lives on, has children now: which of them a label means is not known
lost      nothing takes its place
========  ============================================================================================================

A category without a successor in the current version is looked for in the former versions between, so that one that
changed its id in one version and its path in the next is found all the same. What people decided in
`taxonomy-moves.csv` comes before every rule. Names that merely look alike decide nothing: they are candidates.

A split or lost label has an `ancestor_id`, the deepest category of the current version that surely holds it. A split
label stays there, since its id or path is valid still. A lost one names nothing: its product goes without a label
rather than with the ancestor's, which training would take for a category beside its own children. A line in
`taxonomy-moves.csv` settles either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import polars as pl

from catalog.taxonomy import Taxonomy

KINDS = ("kept", "renamed", "moved", "merged", "split", "lost")
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
_MAX_GUESSES = 1_000  # one takes milliseconds, and of a foreign taxonomy everything may be lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What became of one category of one former version; `new_id` is None where it was split or lost."""

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
    """The moves of all former versions onto the current taxonomy, and where a label of any of them belongs."""

    def __init__(
        self,
        former: Sequence[Taxonomy],
        current: Taxonomy,
        curated: Mapping[int, int | None] = MappingProxyType({}),
    ) -> None:
        """`former` are the versions before `current`, oldest first; `curated` decides by old id, None for lost.

        Raises ValueError where `curated` names an id that no former version has.
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
        self._moves = [self._of_version(place) for place in range(len(former))]

    def __iter__(self) -> Iterator[Move]:
        """Every move, by version and old id; the first lost ones with a category that looks like them."""
        num_guesses = 0
        for moves in self._moves:
            for move in moves.values():
                guess = move.kind == "lost" and num_guesses < _MAX_GUESSES
                num_guesses += guess
                yield replace(move, candidates=self._guess(move)) if guess else move

    def of(self, text: str) -> Move | None:
        """The move of the category that a text names by id or path in a former version, the newest that knows it.

        It comes without a guess at what a lost one might be: that takes milliseconds, and a caller may have thousands.
        """
        for version, moves in zip(reversed(self._former), reversed(self._moves), strict=True):
            old_id = version.resolve(text)
            if old_id is not None:
                return moves[old_id]
        return None

    def table(self) -> pl.DataFrame:
        """One row a category of each former version, with the columns `MOVES_SCHEMA`."""
        moves = list(self)
        return pl.DataFrame(
            {name: [getattr(move, name) for move in moves] for name in MOVES_SCHEMA.names()}, schema=MOVES_SCHEMA
        )

    def _of_version(self, place: int) -> dict[int, Move]:
        moves = {old_id: self._move(place, old_id) for old_id in self._former[place].ids}
        num_from = Counter(move.new_id for move in moves.values())
        for old_id, move in moves.items():
            if move.new_id not in (None, old_id) and num_from[move.new_id] > 1 and move.kind == "moved":
                reason = f"{move.reason}; the labels of {num_from[move.new_id] - 1} more go there"
                moves[old_id] = replace(move, kind="merged", reason=reason)
        return moves

    def _move(self, place: int, old_id: int) -> Move:
        version, current = self._former[place], self._current
        move = Move(
            version=_version(version),
            old_id=old_id,
            old_path=version.path(old_id),
            was_leaf=version.is_leaf(old_id),
            kind="lost",
            reason="nothing takes its place",
        )
        new_id = self._successor(place, old_id)
        if new_id is None:
            return self._without_successor(place, move)
        if old_id in self._curated:
            return _settled(move, "moved", new_id, current, "taxonomy-moves.csv says so")
        if move.was_leaf and not current.is_leaf(new_id):
            leaves = current.leaves_below(new_id)
            return replace(
                move,
                kind="split",
                ancestor_id=new_id,
                candidates=leaves,
                reason=f"{current.path(new_id)!r} has children now; the leaves below it: {len(leaves)}",
            )
        kind, reason = self._kind(place, old_id, new_id)
        return _settled(move, kind, new_id, current, reason)

    def _kind(self, place: int, old_id: int, new_id: int) -> tuple[str, str]:
        version, current = self._former[place], self._current
        if new_id != old_id:
            return "moved", f"its id is gone; {current.path(new_id)!r} takes its place"
        if current.resolve(version.path(old_id)) == old_id:
            return "kept", "the same id and path"
        ancestors = tuple(self._successor(place, ancestor) for ancestor in version.lineage(old_id)[:-1])
        if ancestors == current.lineage(new_id)[:-1]:
            return "renamed", "the same id, with another name in its path"
        return "moved", "the same id, below other ancestors"

    def _without_successor(self, place: int, move: Move) -> Move:
        version, current = self._former[place], self._current
        surviving = (self._successor(place, ancestor) for ancestor in reversed(version.lineage(move.old_id)[:-1]))
        ancestor_id = next((ancestor for ancestor in surviving if ancestor is not None), None)
        if move.old_id in self._curated:
            return replace(move, ancestor_id=ancestor_id, reason="taxonomy-moves.csv gives it up")
        if ancestor_id is not None and current.is_leaf(ancestor_id):
            return _settled(
                move, "merged", ancestor_id, current, f"its id is gone, and {current.path(ancestor_id)!r} is a leaf"
            )
        return replace(move, ancestor_id=ancestor_id)

    def _guess(self, move: Move) -> tuple[int, ...]:
        """The category that looks like a lost one, where that says more than its ancestor does."""
        nearest = self._current.resolve(self._current.nearest(move.old_path) or "")
        known = () if move.ancestor_id is None else self._current.lineage(move.ancestor_id)
        return () if nearest is None or nearest in known else (nearest,)

    def _successor(self, place: int, old_id: int) -> int | None:
        """The category of the current version that a former version's lives on as, if any."""
        if (place, old_id) not in self._traced:
            self._traced[place, old_id] = self._trace(place, old_id)
        return self._traced[place, old_id]

    def _trace(self, place: int, old_id: int) -> int | None:
        if old_id in self._curated:
            return self._curated[old_id]
        if old_id in self._current:
            return old_id
        path = self._former[place].path(old_id)
        found = self._current.resolve(path)
        for later in range(place + 1, len(self._former)):
            if found is not None:
                break
            between = self._former[later]
            known = old_id if old_id in between else between.resolve(path)
            found = None if known is None else self._successor(later, known)
        return found


def _settled(move: Move, kind: str, new_id: int, current: Taxonomy, reason: str) -> Move:
    return replace(move, kind=kind, new_id=new_id, new_path=current.path(new_id), reason=reason)


def _version(taxonomy: Taxonomy) -> str:
    return taxonomy.version or "unversioned"
