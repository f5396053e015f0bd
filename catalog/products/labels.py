"""Labels: the category of each text of a feed, with a reason for texts of no category or of no leaf any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import polars as pl

from catalog.products.entities import unescape
from catalog.taxonomy.moves import Move, Moves
from catalog.taxonomy.spellings import Spellings, number_text
from catalog.taxonomy.tree import Taxonomy, canonical_path

COLUMN = "google_product_category"
LABELS_SCHEMA = pl.Schema(
    {
        "text": pl.String(),
        "label_id": pl.Int64(),
        "label_source": pl.String(),
        "reason": pl.String(),
        "detail": pl.String(),
    }
)

_MAX_GUESSES = 50  # a search takes milliseconds, and a feed may have a million misspelled categories
_NUM_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Label:
    """The category of a text or None, its source, and the reason for a rejected row.

    `source` is `google_product_category`; with `:escaped`, `:number` (`187.0`), `:confirmed` or a `Spelling`'s kind
    behind it where the text is neither an id nor a path; or `moved|split|changed|lost:VERSION:OLD_ID` for a category of
    a former version.
    `reason` is `unknown_category`, `category_split`, `category_changed`, `category_lost`, or None.
    """

    category_id: int | None
    source: str | None
    reason: str | None = None
    detail: str | None = None


class Labeler:
    """Finds the labels of texts by a taxonomy, its moves, and what a person confirmed for the partner.

    `confirmed` are texts in canonical form and their categories.
    """

    def __init__(self, taxonomy: Taxonomy, moves: Moves, confirmed: Mapping[str, int] = MappingProxyType({})) -> None:
        self._taxonomy, self._moves, self._confirmed = taxonomy, moves, confirmed

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._taxonomy, self._certain)  # most feeds need none

    def label(self, text: str, *, guess: bool = True) -> Label:
        """Return the label of a text; without `guess`, no nearest category is searched."""
        found = self._known(text, guess, "")
        if found is None and (plain := unescape(text)) != text:
            found = self._known(plain, guess, ":escaped")
            text = plain
        if found is None and (number := number_text(text)) != text:
            found = self._known(number, guess, ":number")
        if found is None and (category_id := self._confirmed.get(canonical_path(text))) is not None:
            found = Label(category_id, f"{COLUMN}:confirmed")
        if found is None and (spelling := self._spellings.find(text)) is not None:
            found = Label(spelling.category_id, f"{COLUMN}:{spelling.kind}")
        if found is not None:
            return found
        hint = _nearest(text, self._taxonomy) if guess else ""
        detail = f"{COLUMN} {text[:200]!r} is not in the taxonomy{hint}; the product is kept without it"
        return Label(None, None, "unknown_category", detail)

    def _certain(self, text: str) -> int | None:
        """Returns the category of an id or path about which there is no doubt."""
        found = self._known(text, False, "")
        return found.category_id if found is not None and found.reason is None else None

    def _known(self, text: str, guess: bool, how: str) -> Label | None:
        """Returns the label of an id or path of the taxonomy or a former version; None for another text."""
        category_id = self._taxonomy.resolve(text)
        move = self._moves.of_label(text)
        if category_id is None and move is None:
            return None
        if move is None or (move.new_id is not None and move.new_id == category_id):
            return Label(category_id, f"{COLUMN}{how}")
        former = f"{move.version}:{move.old_id}"
        if move.new_id is not None:
            return Label(move.new_id, f"moved:{former}")
        return Label(
            move.ancestor_id if move.kind == "split" else None,
            f"{move.kind}:{former}",
            f"category_{move.kind}",
            _detail(text, move, self._taxonomy, guess),
        )


def label_of(text: str, taxonomy: Taxonomy, moves: Moves, *, guess: bool = True) -> Label:
    """Return the label of a text by the taxonomy and its moves; without `guess`, no nearest category is searched."""
    return Labeler(taxonomy, moves).label(text, guess=guess)


def labels_of(
    texts: Iterable[str], taxonomy: Taxonomy, moves: Moves, confirmed: Mapping[str, int] = MappingProxyType({})
) -> pl.DataFrame:
    """Return a row a text, `LABELS_SCHEMA`; the nearest category is searched only for the first few unknown texts.

    Args:
        confirmed: texts in canonical form and their categories, as a person confirmed them for the partner.
    """
    labeler = Labeler(taxonomy, moves, confirmed)
    rows = []
    num_unknown = 0
    for text in texts:
        label = labeler.label(text, guess=num_unknown < _MAX_GUESSES)
        num_unknown += label.reason in ("unknown_category", "category_lost")
        rows.append((text, label.category_id, label.source, label.reason, label.detail))
    return pl.DataFrame(rows, schema=LABELS_SCHEMA, orient="row")


def _detail(text: str, move: Move, taxonomy: Taxonomy, guess: bool) -> str:
    named = f"{COLUMN} {text[:200]!r} is {move.old_path!r} of version {move.version}"
    if move.kind == "changed":
        return f"{named}, but {move.reason}; the product is kept without it"
    if move.kind != "split" or move.ancestor_id is None:
        hint = _nearest(move.old_path, taxonomy) if guess else ""
        return f"{named}, which is lost{hint}; the product is kept without it"
    candidates = " or ".join(repr(taxonomy.path(candidate)) for candidate in move.candidates[:_NUM_SHOWN])
    more = len(move.candidates) - _NUM_SHOWN
    candidates += f" or {more} more" if more > 0 else ""
    kept = taxonomy.path(move.ancestor_id)
    return f"{named}, no leaf any more; write {candidates}; the product is kept with {kept!r}"


def _nearest(text: str, taxonomy: Taxonomy) -> str:
    nearest = taxonomy.nearest(text)
    return f"; the nearest known is {nearest!r}" if nearest else ""
