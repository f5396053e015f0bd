"""Catalog export: the universal catalog to one file, or to a folder of Merchant Center's supplemental feeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from upath import UPath

from catalog.exports.catalog_files import CATALOG_FORMATS
from catalog.exports.current_catalog import CatalogFilter, current_catalog, predicted_deliveries
from catalog.exports.merchant import write_supplemental_feed
from catalog.exports.targets import MANIFEST, replaced_file, replaced_folder

Report = Callable[[int, int], None]  # the steps that are done, and all of them


def export_catalog(
    store: UPath, target: UPath, file_format: str, selection: CatalogFilter, report: Report
) -> dict[str, Any]:
    """Writes the current catalog as one file and returns a record of the export.

    Args:
        store: root of the store.
        target: the file, which is replaced when the export is complete.
        file_format: one of `CATALOG_FORMATS`.
        selection: the rows to export.
        report: is called after each delivery.

    Raises:
        FileNotFoundError: there is no prediction, or a delivery has no record.
        StoreNotWritableError: the target cannot be written; an earlier file is unchanged.
    """
    as_of = _now()
    counts = Counter({"rows": 0, "without a category": 0})

    def counted() -> Iterator[pl.DataFrame]:
        for _, frames in _partners(store, selection, report):
            for rows in frames:
                counts["rows"] += len(rows)
                counts["without a category"] += rows["category_id"].null_count()
                yield rows

    with replaced_file(target) as file:
        CATALOG_FORMATS[file_format](counted(), file)
    return {"file": str(target), **counts, "as of": as_of}


def export_supplemental_feeds(
    store: UPath, folder: Path, google_categories: Mapping[int, int], selection: CatalogFilter, report: Report
) -> dict[str, Any]:
    """Writes a feed `PARTNER.tsv` for each partner with items and returns a record of the export.

    Args:
        store: root of the store.
        folder: is replaced as a whole when the export is complete.
        google_categories: Google's category of each category of the taxonomy.
        selection: the rows to export.
        report: is called after each delivery.

    Raises:
        FileExistsError: the folder has other content than an export.
        FileNotFoundError: there is no prediction, or a delivery has no record.
        StoreNotWritableError: the folder cannot be written; an earlier export is unchanged.
    """
    as_of = _now()
    counts = Counter({"items": 0})
    with replaced_folder(folder) as unfinished:
        for partner, frames in _partners(store, selection, report):
            counts.update(write_supplemental_feed(frames, unfinished / f"{partner}.tsv", google_categories))
        feeds = sorted(path.name for path in unfinished.glob("*.tsv"))
        record = {"folder": str(folder), "feeds": feeds, **counts, "as of": as_of}
        (unfinished / MANIFEST).write_text(json.dumps(record, indent=2))
    return record


def _partners(store: UPath, selection: CatalogFilter, report: Report) -> Iterator[tuple[str, Iterator[pl.DataFrame]]]:
    """Yields the selected partners with their rows, one delivery at a time."""
    deliveries = predicted_deliveries(store)
    partners = [each for each in deliveries if selection.partners is None or each in selection.partners]
    num_deliveries, done = sum(len(deliveries[partner]) for partner in partners), 0

    def rows_of(partner: str) -> Iterator[pl.DataFrame]:
        nonlocal done
        for rows in current_catalog(store, deliveries[partner], selection):
            yield rows
            done += 1
            report(done, num_deliveries)

    for partner in partners:
        yield partner, rows_of(partner)


def _now() -> str:
    """Returns the time of the export's start, from which the next one may continue with `changed_since`."""
    return datetime.now(UTC).isoformat(timespec="seconds")
