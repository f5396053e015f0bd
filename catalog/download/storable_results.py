"""Storable results: a result that fits no table costs its own link, not the shard that all results are written in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from catalog.download.downloader import DownloadResult, internal_error
from catalog.download.unforeseen import log_unforeseen
from catalog.images.outcomes import outcomes_table
from catalog.images.shard_files import images_table

_Results = Mapping[str | None, DownloadResult]


def storable_results(results: _Results) -> dict[str | None, DownloadResult]:
    """Returns the results of links, and INTERNAL_ERROR in place of those that the tables of a shard cannot hold."""
    with suppress(Exception):  # Polars and Arrow raise their own types; which link it was shows below
        _check(results)
        return dict(results)
    stored = {}
    for url, result in results.items():
        try:
            _check({url: result})
            stored[url] = result
        except Exception as error:
            log_unforeseen("storing the result of", url, error)
            stored[url] = internal_error()
    return stored


def _check(results: _Results) -> None:
    """Converts everything but the bytes of images to the tables; raises whatever that raises."""
    outcomes_table(result.outcome("", url, "") for url, result in results.items())
    images = {str(index): result.image for index, result in enumerate(results.values()) if result.image is not None}
    if not all(isinstance(image.data, bytes) for image in images.values()):
        raise TypeError("an image is no bytes")
    images_table({name: replace(image, data=b"") for name, image in images.items()})
