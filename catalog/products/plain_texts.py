"""The texts and links of products as people and browsers read them: without HTML's entities, links with a server."""

from __future__ import annotations

import polars as pl

from catalog.products.entities import unescaped, unescaped_links, without_tags

TEXTS = ("description", "brand", "product_type", "color", "pattern", "material", "size", "gender", "age_group")

_SCHEME = r"^[A-Za-z][A-Za-z0-9+.-]*:"


def plain_texts(rows: pl.DataFrame, image_base: str) -> pl.DataFrame:
    """Return the columns of texts, the title and the image's link.

    Args:
        rows: Rows of a feed, `FEED_SCHEMA`.
        image_base: The URL below which relative links lie; empty where they are kept.
    """
    title = without_tags(unescaped(rows["title"]))
    link = whole_links(unescaped_links(rows["image_url"]), image_base)
    return pl.DataFrame([title, link, *(unescaped(rows[column]) for column in TEXTS)])


def further_links(links: pl.Series, image_base: str) -> pl.Series:
    """Return lists of links, whole ones."""
    if not image_base and not links.list.eval(pl.element().str.starts_with("//").any()).list.any().any():
        return links
    frame = pl.select(links.alias("links")).with_row_index("row")
    each = frame.explode("links", empty_as_null=True, keep_nulls=True)
    whole = each.with_columns(whole_links(each["links"], image_base))
    lists = whole.filter(pl.col("links").is_not_null()).group_by("row", maintain_order=True).agg("links")
    found = frame.select("row", is_null=pl.col("links").is_null()).join(
        lists, on="row", how="left", maintain_order="left"
    )
    empty = pl.lit([], pl.List(pl.String))
    return found.select(
        pl.when(pl.col("links").is_null() & ~pl.col("is_null")).then(empty).otherwise("links").alias(links.name)
    ).to_series()


def whole_links(links: pl.Series, image_base: str) -> pl.Series:
    """Return links with a scheme: `//host/a.jpg` with https, and `/a.jpg` below the base, where there is one."""
    if links.str.starts_with("//").any():
        links = links.str.replace("^//", "https://")
    if not image_base:
        return links
    is_whole = links.str.contains(_SCHEME)
    base = pl.lit(f"{image_base.rstrip('/')}/") + links.str.strip_chars_start("/")
    return pl.select(pl.when(is_whole).then(links).otherwise(base).alias(links.name)).to_series()
