"""Proposals for the columns of a partner's feed: the attribute that each of its own names most likely means."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from catalog.feeds.feed import ATTRIBUTES, attribute_of
from catalog.products.column_words import COLUMN_WORDS

REQUIRED = ("id", "image_link")
MIN_RATIO = 0.84  # of the characters of two names, for a misspelling
MIN_SHARE = 0.8  # of the texts of a column, for what only they show

_IMAGE = re.compile(r"(https?|s3|gs)://\S+|\S+\.(jpe?g|png|webp|gif|tiff?|avif|bmp)", re.IGNORECASE)
_ID = re.compile(r"[\w./:-]{1,50}")


@dataclass(frozen=True, kw_only=True)
class ColumnProposal:
    """An attribute of Merchant Center and the column that has it; the score is 1 for its own name, else lower."""

    attribute: str
    column: str
    score: float


def propose_columns(sample: Mapping[str, Sequence[str]]) -> dict[str, ColumnProposal]:
    """Return a proposal for each attribute that the feed seems to have, the surest first; no column is used twice.

    Args:
        sample: The texts of the first rows by column, from `catalog.feeds.sampling`.
    """
    candidates = [
        ColumnProposal(attribute=attribute, column=column, score=score)
        for attribute in ATTRIBUTES
        for column, texts in sample.items()
        if (score := max(_by_name(attribute, column), _by_texts(attribute, texts)))
    ]
    order = {column: number for number, column in enumerate(sample)}
    chosen: dict[str, ColumnProposal] = {}
    for each in sorted(candidates, key=lambda each: (-each.score, order[each.column])):
        if each.attribute not in chosen and all(each.column != other.column for other in chosen.values()):
            chosen[each.attribute] = each
    return chosen


def own_names(columns: Mapping[str, str]) -> dict[str, str]:
    """Return those of column -> attribute that a feed needs said, as no reader knows the column's own name."""
    return {column: attribute for column, attribute in columns.items() if attribute_of(column) != attribute}


def _by_name(attribute: str, column: str) -> float:
    """Scores a column's name."""
    if attribute_of(column) == attribute:
        return 1.0
    key, words = _key(column), (_key(attribute), *COLUMN_WORDS.get(attribute, ()))
    if key in words:
        return 0.95 - 0.005 * words.index(key)
    if len(key) < 4:
        return 0.0
    ratio = max(difflib.SequenceMatcher(a=key, b=word, autojunk=False).ratio() for word in words)
    return 0.8 * ratio if ratio >= MIN_RATIO else 0.0


def _by_texts(attribute: str, texts: Sequence[str]) -> float:
    """Scores what a column holds, for the attributes that a product cannot do without and for paths of categories."""
    if not texts:
        return 0.0
    if attribute == "image_link" and _share(texts, lambda text: _IMAGE.fullmatch(text) is not None) >= MIN_SHARE:
        return 0.4
    if attribute == "id" and len(set(texts)) == len(texts) > 1 and all(_ID.fullmatch(text) for text in texts):
        return 0.2
    if attribute == "product_type" and _share(texts, lambda text: " > " in text) >= MIN_SHARE:
        return 0.4
    return 0.0


def _share(texts: Sequence[str], is_wanted: Callable[[str], bool]) -> float:
    return sum(map(is_wanted, texts)) / len(texts)


def _key(name: str) -> str:
    """Returns the letters and digits of a name, without case and accents."""
    plain = unicodedata.normalize("NFKD", attribute_of(name).replace("ß", "ss"))
    return re.sub(r"[^a-z0-9]", "", plain)
