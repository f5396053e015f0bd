"""Item ids: normalized, so that a product keeps its id when a feed's spelling of it changes invisibly."""

from __future__ import annotations

import polars as pl

# Format characters (zero-width spaces and joiners, byte order marks, bidirectional marks, soft hyphens, tags), fillers
# and variation selectors: two ids that differ in them look alike.
_FILLERS = r"\u{034F}\u{115F}\u{1160}\u{17B4}\u{17B5}\u{3164}\u{FFA0}"
_VARIATION_SELECTORS = r"\u{180B}-\u{180F}\u{FE00}-\u{FE0F}\u{E0100}-\u{E01EF}"
_INVISIBLE = r"[\p{Cf}" + _FILLERS + _VARIATION_SELECTORS + "]"
_NOT_PLAIN = r"[^!-~]"  # most ids are ASCII without spaces, and are normalized already


def normalized_ids(ids: pl.Series) -> pl.Series:
    """Return the ids in Unicode's form NFC, without invisible characters and spaces around them; null where empty.

    Spaces are all that Unicode calls white space, such as the no-break space. Plain ids do not change.
    """
    if not ids.str.contains(_NOT_PLAIN).any():
        return ids
    clean = ids.str.replace_all(_INVISIBLE, "").str.normalize("NFC").str.strip_chars()
    return pl.select(pl.when(clean != "").then(clean)).to_series().alias(ids.name)
