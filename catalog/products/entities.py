"""HTML in texts of feeds: entities, also escaped twice or three times, and tags in titles.

Only what is an entity for certain is one: a known name or a number, with its semicolon. `AT&T` and `R&D; Tests` stay as
they are, and of a link only an escaped ampersand is unescaped, as `?a=1&copy=2` is no copyright sign.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

import polars as pl

MAX_TIMES = 3  # that a text was escaped

_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_ENTITIES = re.compile(_ENTITY)
_AMPERSAND = r"(?i)&(?:amp|#0{0,4}38|#x0{0,4}26);"
_TAG = (
    r"(?is)</?(?:a|abbr|b|big|br|center|div|em|font|h[1-6]|i|img|li|ol|p|q|s|small|span|strong|sub|sup|u|ul|wbr)"
    r"(?:\s[^<>]{0,500})?/?>"
)
_SPACE = r"[\s\x{a0}]+"


def unescaped(texts: pl.Series) -> pl.Series:
    """Return texts with their HTML entities as the characters that they stand for; null where nothing is left."""
    if not _has(texts, ";"):  # which is rarer than an ampersand
        return texts
    is_escaped = texts.str.contains(_ENTITY)
    distinct = texts.filter(is_escaped).unique()
    if distinct.is_empty():
        return texts
    plain = pl.Series([unescape(text) or None for text in distinct], dtype=pl.String)
    replaced = texts.filter(is_escaped).replace_strict(distinct, plain, return_dtype=pl.String)
    return texts.scatter(is_escaped.arg_true(), replaced)


def unescape(text: str) -> str:
    """Return one text without entities, and without space around it; a non-breaking space becomes a plain one."""
    for _ in range(MAX_TIMES):
        plain = _ENTITIES.sub(_character, text)
        if plain == text:
            break
        text = plain
    return text.strip()


def unescaped_links(texts: pl.Series) -> pl.Series:
    """Return links in which no ampersand is escaped."""
    for _ in range(MAX_TIMES):
        if not _has(texts, ";") or not texts.str.contains(_AMPERSAND).any():
            break
        texts = texts.str.replace_all(_AMPERSAND, "&")
    return texts


def without_tags(texts: pl.Series) -> pl.Series:
    """Return texts without the tags of formatted text, each of which separates words; others, as in `<3`, stay."""
    if not _has(texts, "<"):
        return texts
    is_tagged = texts.str.contains(_TAG)
    if not is_tagged.any():
        return texts
    plain = texts.str.replace_all(_TAG, " ").str.replace_all(_SPACE, " ").str.strip_chars()
    return pl.select(pl.when(is_tagged).then(plain.replace("", None)).otherwise(texts).alias(texts.name)).to_series()


def _has(texts: pl.Series, character: str) -> bool:
    return texts.null_count() < len(texts) and bool(texts.str.contains(character, literal=True).any())


def _character(match: re.Match[str]) -> str:
    entity = match[0]
    if entity[1] != "#" and entity[1:] not in html5:
        return entity
    character = html.unescape(entity)
    # Of numbers that are no characters, or are control characters, nothing can be meant.
    is_meant = character in "\n\t" or (character.isprintable() and character != "\ufffd")
    return " " if character == "\xa0" else character if is_meant else ""
