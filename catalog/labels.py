"""Labels: the category that a feed's text means, and what to say of the texts that mean none or no leaf any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from catalog.taxonomy import Taxonomy
from catalog.taxonomy_moves import Move, Moves

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

_MAX_GUESSES = 50  # a guess at a misspelt category takes milliseconds, and a feed may hold a million of them
_NUM_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Label:
    """What a text means: a category or None, where that comes from, and why it is worth a word to the partner.

    `source` is `google_product_category`, or `moved|split|lost:VERSION:OLD_ID` for what a former version explains.
    `reason` is `unknown_category`, `category_split`, `category_lost`, or None where there is nothing to tell.
    """

    category_id: int | None
    source: str | None
    reason: str | None = None
    detail: str | None = None


def label_of(text: str, taxonomy: Taxonomy, moves: Moves, *, guess: bool = True) -> Label:
    """What a text means by the taxonomy and its moves; without `guess`, what is unknown is not compared with all."""
    category_id = taxonomy.resolve(text)
    move = moves.of(text if category_id is None else str(category_id))
    if category_id is None and move is None:
        hint = _nearest(text, taxonomy) if guess else ""
        detail = f"{COLUMN} {text[:200]!r} is not in the taxonomy{hint}; the product is kept without it"
        return Label(None, None, "unknown_category", detail)
    if move is None or (move.new_id is not None and move.new_id == category_id):
        return Label(category_id, COLUMN)
    former = f"{move.version}:{move.old_id}"
    if move.new_id is not None:
        return Label(move.new_id, f"moved:{former}")
    return Label(
        move.ancestor_id if move.kind == "split" else None,
        f"{move.kind}:{former}",
        f"category_{move.kind}",
        _told(text, move, taxonomy, guess),
    )


def labels_of(texts: Iterable[str], taxonomy: Taxonomy, moves: Moves) -> pl.DataFrame:
    """One row a text, with the columns `LABELS_SCHEMA`; only the first few unknown ones are guessed at."""
    rows = []
    num_unknown = 0
    for text in texts:
        label = label_of(text, taxonomy, moves, guess=num_unknown < _MAX_GUESSES)
        num_unknown += label.reason in ("unknown_category", "category_lost")
        rows.append((text, label.category_id, label.source, label.reason, label.detail))
    return pl.DataFrame(rows, schema=LABELS_SCHEMA, orient="row")


def _told(text: str, move: Move, taxonomy: Taxonomy, guess: bool) -> str:
    named = f"{COLUMN} {text[:200]!r} is {move.old_path!r} of version {move.version}"
    if move.kind != "split" or move.ancestor_id is None:
        hint = _nearest(move.old_path, taxonomy) if guess else ""
        return f"{named}, which is lost{hint}; the product is kept without it"
    shown = " or ".join(repr(taxonomy.path(candidate)) for candidate in move.candidates[:_NUM_SHOWN])
    more = len(move.candidates) - _NUM_SHOWN
    shown += f" or {more} more" if more > 0 else ""
    kept = taxonomy.path(move.ancestor_id)
    return f"{named}, no leaf any more; write {shown}; the product is kept with {kept!r}"


def _nearest(text: str, taxonomy: Taxonomy) -> str:
    nearest = taxonomy.nearest(text)
    return f"; the nearest known is {nearest!r}" if nearest else ""
