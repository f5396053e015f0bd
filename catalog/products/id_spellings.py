"""Id spellings: recognizes that the ids of a feed are those of its former version, written in another way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import polars as pl

MIN_SHARE = 0.8  # of the removed ids that another spelling has to explain
MAX_IDS = 200_000  # that are compared by prefix and suffix
NUM_TRIED = 50  # ids from which prefixes and suffixes are guessed
MIN_AFFIX_IDS = 3

_ID = pl.col("id")


def other_spelling(removed: pl.Series, new: pl.Series) -> str | None:
    """Return how the new ids differ in spelling from the removed ones, with an example; None where they are others.

    Args:
        removed: Ids that only the former version has.
        new: Ids that only the new version has.
    """
    if removed.is_empty() or new.is_empty():
        return None
    for words, key in _KEYS:
        pairs = _pairs(removed, new, key)
        if pairs.height >= MIN_SHARE * len(removed):
            return _described(words, pairs)
    return _affix(removed, new)


def _digits_stripped(column: pl.Expr) -> pl.Expr:
    return column.str.replace_all(r"(^|[^0-9])0+([0-9])", "${1}${2}")


def _folded(column: pl.Expr) -> pl.Expr:
    """The id in compatibility form and lower case, letters and digits only."""
    plain = column.str.normalize("NFKD").str.to_lowercase()
    return plain.str.replace(r"\.0+$", "").str.replace_all(r"[^\p{L}\p{N}]", "")


# From the plainest difference to all of them together.
_KEYS = (
    ("in another case", _ID.str.to_lowercase()),
    ("with or without '.0' at the end", _ID.str.replace(r"\.0+$", "")),
    ("with other zeros before numbers", _digits_stripped(_ID)),
    ("with other separators", _ID.str.replace_all(r"[^\p{L}\p{N}]", "")),
    ("in other characters for the same letters and digits", _folded(_ID)),
    ("in another case, with other separators or other zeros", _digits_stripped(_folded(_ID))),
)


def _pairs(removed: pl.Series, new: pl.Series, key: pl.Expr) -> pl.DataFrame:
    """Returns the pairs of ids with equal keys, where a key is that of one id on each side."""
    sides = [
        pl.DataFrame({"id": ids}).with_columns(key=key).filter(pl.col("key") != "").unique("key", keep="none")
        for ids in (removed, new)
    ]
    return sides[0].join(sides[1], on="key", suffix="_new").select("id", "id_new")


def _affix(removed: pl.Series, new: pl.Series) -> str | None:
    """Returns the prefix or suffix that all ids have gained or lost."""
    former, later = removed.head(MAX_IDS), new.head(MAX_IDS)
    for short, long, verb in ((former, later, "added"), (later, former, "removed")):
        for place, affix in _guessed(short, long):
            changed = pl.col("id") + affix if place == "end" else pl.lit(affix) + pl.col("id")
            pairs = pl.DataFrame({"id": short}).with_columns(id_new=changed)
            pairs = pairs.filter(pl.col("id_new").is_in(long.implode()))
            if pairs.height >= MIN_SHARE * len(former):
                words = f"with {affix!r} {verb} at the {place}"
                if verb == "removed":
                    pairs = pairs.select(id="id_new", id_new="id")
                return _described(words, pairs)
    return None


def _guessed(short: pl.Series, long: pl.Series) -> Iterator[tuple[str, str]]:
    """Yields the commonest texts that ids of one side have before or after an id of the other side."""
    known = set(short)
    starts, ends = Counter[str](), Counter[str]()
    for each in long.sort().gather_every(max(1, len(long) // NUM_TRIED)):
        starts.update(each[:cut] for cut in range(1, len(each)) if each[cut:] in known)
        ends.update(each[cut:] for cut in range(1, len(each)) if each[:cut] in known)
    enough = min(MIN_AFFIX_IDS, len(short))
    for place, found in (("start", starts), ("end", ends)):
        yield from ((place, affix) for affix, num in found.most_common(3) if num >= enough)


def _described(words: str, pairs: pl.DataFrame) -> str:
    former, later = pairs.sort("id").row(0)
    return f"{words}: {former!r} has become {later!r}"
