"""Conclusions: the tables of a shard from the results of its links; a result that fits no table costs its link only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import polars as pl
import pyarrow as pa

from catalog.download.downloader import DownloadResult, internal_error
from catalog.download.links import Link
from catalog.download.unforeseen import log_unforeseen
from catalog.images.outcomes import outcomes_table
from catalog.images.shard_files import images_table


def conclude(
    links: Sequence[Link], results: Mapping[str | None, DownloadResult], shard: str
) -> tuple[pl.DataFrame, pa.Table]:
    """Returns the outcome of each product of the links (OUTCOMES_SCHEMA), and their images (IMAGES_SCHEMA).

    A link whose result no table can hold ends as INTERNAL_ERROR.

    Args:
        links: the links, with the products that show them.
        results: the result of each link.
        shard: the name of the shard.

    Raises:
        KeyError: a link has no result.
    """
    concluded = {link.url: results[link.url] for link in links}
    with suppress(Exception):  # Polars and Arrow raise their own types; which link it was shows below
        return _tables(links, concluded, shard)
    for link in links:
        try:
            _tables([link], concluded, shard)
        except Exception as error:
            log_unforeseen("concluding", link.url, error)
            concluded[link.url] = internal_error()
    return _tables(links, concluded, shard)


def _tables(
    links: Sequence[Link], results: Mapping[str | None, DownloadResult], shard: str
) -> tuple[pl.DataFrame, pa.Table]:
    outcomes = outcomes_table(
        results[link.url].outcome(product_id, link.url, shard) for link in links for product_id in link.product_ids
    )
    images = {
        product_id: image for link in links if (image := results[link.url].image) for product_id in link.product_ids
    }
    return outcomes, images_table(images)
