"""`shelfsight export`: writes the catalog or the dataset as files for other programs."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upath import UPath

from catalog.exports.catalog_export import export_catalog, export_supplemental_feeds
from catalog.exports.catalog_files import CATALOG_FORMATS
from catalog.exports.current_catalog import CatalogFilter, predicted_deliveries
from catalog.exports.dataset_export import DATASET_FORMATS, DatasetOptions, export_dataset
from catalog.exports.examples import SPLITS, DatasetFilter
from catalog.storage.files import is_remote, store_path
from catalog.taxonomy.google import google_categories
from ml.name_suggestions import suggest_names
from resources.places import reference_root
from resources.settings import Settings
from shelfsight.cli.progress import progress_bar

MERCHANT = "merchant"
FORMAT_OF_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_MEGABYTE = 1_000_000

Report = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CatalogOptions:
    """The options of `shelfsight export catalog`, as typed."""

    catalog_format: str | None = None
    partners: Sequence[str] = ()
    min_confidence: float | None = None
    min_depth: int | None = None
    changed_since: str | None = None


def catalog(settings: Settings, target: str, options: CatalogOptions) -> dict[str, Any]:
    """Writes the universal catalog to a file, or to a folder of supplemental feeds; returns a record of the export.

    Raises:
        FileExistsError: the folder has other content than an export.
        FileNotFoundError: there is no prediction.
        OSError: the target cannot be written.
        ValueError: a format, partner or limit is unknown or wrong, or the taxonomy is not Google's.
    """
    root = store_path(settings.root)
    catalog_format = _format_of(target, options.catalog_format)
    known = predicted_deliveries(root)
    for partner in options.partners:
        if partner not in known:
            raise ValueError(f"partner {partner!r} has no predictions; {suggest_names(partner, known)}")
    selection = CatalogFilter(
        partners=tuple(options.partners) or None,
        min_confidence=options.min_confidence,
        min_depth=options.min_depth,
        changed_since=None if options.changed_since is None else parse_time(options.changed_since),
    )
    with _progress("deliveries") as report:
        if catalog_format == MERCHANT:
            categories = google_categories(store_path(reference_root(settings)))
            return export_supplemental_feeds(root, _local(target), categories, selection, report)
        return export_catalog(root, UPath(target), catalog_format, selection, report)


def dataset(
    store: str, target: str, dataset_format: str, splits: Sequence[str], shard_mb: float, *, with_unlabeled: bool
) -> dict[str, Any]:
    """Writes the dataset with its images to a folder; returns a record of the export.

    Raises:
        FileExistsError: the folder has other content than an export.
        FileNotFoundError: there is no dataset.
        LookupError: an image of the dataset is missing.
        OSError: the target cannot be written.
        ValueError: a format, split or size is unknown or wrong, or no row is selected.
    """
    if dataset_format not in DATASET_FORMATS:
        raise ValueError(f"unknown format {dataset_format!r}; {suggest_names(dataset_format, DATASET_FORMATS)}")
    for split in splits:
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; {suggest_names(split, SPLITS)}")
    if not 0 < shard_mb * _MEGABYTE < math.inf:
        raise ValueError(f"shards of {shard_mb:g} MB are impossible; give a size above 0, such as 500")
    chosen = DatasetFilter(
        splits=tuple(each for each in SPLITS if each in splits) or SPLITS, with_unlabeled=with_unlabeled
    )
    options = DatasetOptions(dataset_format=dataset_format, max_shard_bytes=int(shard_mb * _MEGABYTE), selection=chosen)
    with _progress("rows") as report:
        return export_dataset(store_path(store), _local(target), options, report)


def parse_time(text: str) -> datetime:
    """Parses a date or a time in ISO 8601; one without a zone is in UTC.

    Raises:
        ValueError: the text is neither.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date or time; write 2026-11-01 or 2026-11-01T06:00:00+01:00") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _format_of(target: str, chosen: str | None) -> str:
    formats = [*CATALOG_FORMATS, MERCHANT]
    if chosen is not None:
        if chosen not in formats:
            raise ValueError(f"unknown format {chosen!r}; {suggest_names(chosen, formats)}")
        return chosen
    suffix = Path(target).suffix
    if suffix not in FORMAT_OF_SUFFIX:
        raise ValueError(
            f"the format of {target!r} is not clear from its name; end it with {', '.join(FORMAT_OF_SUFFIX)}, "
            f"or pass --format {'|'.join(formats)}"
        )
    return FORMAT_OF_SUFFIX[suffix]


def _local(target: str) -> Path:
    if is_remote(target):
        raise ValueError(
            f"{target!r} is no folder of this machine, and only such a one is replaced as a whole; "
            "export to a local folder and upload it"
        )
    return Path(UPath(target).path)


@contextmanager
def _progress(unit: str) -> Iterator[Report]:
    """Yields a function that shows the steps that are done, of all."""
    with progress_bar() as shown:
        task = shown.add_task(unit, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
