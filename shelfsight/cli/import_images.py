"""`shelfsight import`: makes a feed of a folder of images or of tar files, and what the project needs for it."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from catalog.feeds.sources import PLAIN_NAME
from catalog.storage.files import replace_file, store_path
from catalog.taxonomy.parsing import canonical_path
from resources.places import inbox_root, reference_root
from resources.settings import Settings, project_file
from shelfsight.importing.columns import WRITTEN
from shelfsight.importing.folders import LabelTable, Subfolders, image_paths
from shelfsight.importing.labels import plan_labels
from shelfsight.importing.project_edits import add_partners, add_root, check_partners, root_of
from shelfsight.importing.samples import Problems, Source
from shelfsight.importing.splits import SplitPlan, plan_splits
from shelfsight.importing.tars import TarFiles

NOTES = "notes"  # of the output
MAX_NAME = 50  # of a partner, before `-test`


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The options of the command; what is None is found by names."""

    source: Path
    labels: Path | None = None
    label_column: str | None = None
    group_column: str | None = None
    partner: str | None = None
    root: str | None = None


@dataclass(kw_only=True)
class Summary:
    """Counts of a first reading of the images."""

    num_images: int
    labels: dict[str, str]  # by canonical path, as it is written first
    num_labeled: int
    splits: Counter[str]
    num_groups: int
    columns: list[str]


def import_images(settings: Settings, options: ImportOptions) -> dict[str, Any]:
    """Writes a feed of the images into the inbox, one for each split, and returns a record of it.

    Everything is checked before anything is written; the feed is written last. Importing again replaces the feed.

    Raises:
        FileNotFoundError: there is no such folder, tar file or table.
        ValueError: there is no image, or rows, files or labels are wrong; the message lists them.
    """
    folder, source = _source(options)
    reference, inbox = store_path(reference_root(settings)), store_path(inbox_root(settings))
    partner = options.partner or _plain_name(options.source)
    if not PLAIN_NAME.fullmatch(partner) or len(partner) > MAX_NAME:
        raise ValueError(f"partner {partner!r} has a bad name; use at most {MAX_NAME} letters, digits, '-' and '_'")
    root, inner = root_of(folder, settings.image_places, options.root or _root_name(partner))
    problems = Problems()
    summary = _summary(source, problems)
    problems.raise_if_any(str(options.source))
    if not summary.num_images:
        raise ValueError(f"{options.source} has no image; images end in .jpg, .png, .webp, .gif, .tif or .avif")
    splits = plan_splits(partner, summary.splits)
    missing = check_partners(reference, splits.partners)
    plan = plan_labels(summary.labels.values(), reference)

    to_do = add_root(root, project_file()) if root.name not in settings.image_roots else None
    plan.write(reference)
    add_partners(reference, {name: splits.partners[name] for name in missing})
    feeds = _write_feeds(source, summary, splits, inbox, f"{root.name}:{inner}", _plain_name(options.source))
    notes = [to_do, splits.note, *_warnings(summary, options, has_taxonomy=plan.taxonomy is not None)]
    return {
        "images": summary.num_images,
        "labeled": summary.num_labeled,
        "labels": len(summary.labels),
        "groups": summary.num_groups,
        "image root": f"{root.name} = {root.place}",
        "taxonomy": f"written to {reference / 'taxonomy.txt'}; edit it there" if plan.new_text else "the store's",
        "feeds": {str(feed): count for feed, count in feeds.items()},
        NOTES: [note for note in notes if note],
    }


def _source(options: ImportOptions) -> tuple[Path, Source]:
    """Returns the folder of the images and their source."""
    place = Path(os.path.abspath(options.source))  # noqa: PTH100 `absolute` would keep '..'
    if place.is_file() and place.suffix.lower() == ".tar":
        return place.parent, TarFiles(files=[place], label=options.label_column, group=options.group_column)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder or .tar file {str(place)!r}; unpack other archives first")
    if options.labels is not None:
        if not options.labels.is_file():
            raise FileNotFoundError(f"there is no table of labels {str(options.labels)!r}")
        table, label, group = options.labels.absolute(), options.label_column, options.group_column
        return place, LabelTable(folder=place, table=table, label=label, group=group)
    tars = sorted(each for each in place.iterdir() if each.suffix.lower() == ".tar")
    if tars and next(image_paths(place), None) is None:
        return place, TarFiles(files=tars, label=options.label_column, group=options.group_column)
    return place, Subfolders(folder=place)


def _summary(source: Source, problems: Problems) -> Summary:
    """Reads all samples once."""
    summary = Summary(num_images=0, labels={}, num_labeled=0, splits=Counter(), num_groups=0, columns=[])
    groups: set[str] = set()
    columns: dict[str, None] = {}
    for sample in source.samples(problems):
        summary.num_images += 1
        summary.splits[sample.split] += 1
        columns |= dict.fromkeys(sample.columns)
        if sample.group:
            groups.add(sample.group)
        if sample.label:
            summary.num_labeled += 1
            summary.labels.setdefault(canonical_path(sample.label), sample.label)
    summary.num_groups, summary.columns = len(groups), list(columns)
    return summary


def _write_feeds(
    source: Source, summary: Summary, splits: SplitPlan, inbox: UPath, prefix: str, name: str
) -> dict[UPath, int]:
    """Writes a feed a partner and returns the number of rows of each; either all are written or none."""
    paths = {partner: inbox / partner / f"{name}.csv" for partner in splits.partners}
    counts: Counter[UPath] = Counter()
    with ExitStack() as stack:
        writers = {
            partner: stack.enter_context(_rows(path, [*WRITTEN, *summary.columns])) for partner, path in paths.items()
        }
        for sample in source.samples(Problems()):
            partner = splits.of(sample.split)
            label = summary.labels[canonical_path(sample.label)] if sample.label else ""
            written = (sample.item_id, f"{prefix}{sample.path}", label, sample.group)
            writers[partner].writerow([*written, *(sample.columns.get(column, "") for column in summary.columns)])
            counts[paths[partner]] += 1
    return {paths[partner]: counts[paths[partner]] for partner in splits.partners}


@contextmanager
def _rows(path: UPath, header: list[str]) -> Iterator[Any]:
    with replace_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(header)
        yield writer
        text.flush()
        text.detach()


def _warnings(summary: Summary, options: ImportOptions, *, has_taxonomy: bool) -> Iterator[str]:
    """Yields what is possible and most likely not meant."""
    if not summary.labels:
        yield "no image has a label: they can pretrain an encoder, and no classifier is trained"
        if not has_taxonomy:
            yield "there is no taxonomy yet; save Google's, or import labeled images"
    elif len(summary.labels) == 1:
        yield f"all labels are {next(iter(summary.labels.values()))!r}: a classifier needs two at least"
    if options.labels is None and options.source.is_dir():
        tables = [path.name for path in sorted(options.source.glob("*.csv"))]
        if tables:
            yield f"{tables[0]} is in the folder; if it has the labels, import again with --labels"
    if isinstance(options.labels, Path):
        others = sum(1 for _ in image_paths(options.source)) - summary.num_images
        if others > 0:
            yield f"{others:,} images have no row in {options.labels.name} and are not imported"


def _plain_name(source: Path) -> str:
    """Returns a partner's name of a folder's or file's: letters, digits, '-' and '_'."""
    name = os.path.basename(os.path.abspath(source))  # noqa: PTH100, PTH119 links stay as they are
    stem = name.removesuffix(source.suffix if source.is_file() else "")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:MAX_NAME] or "images"


def _root_name(partner: str) -> str:
    """Returns a name of an image root for a partner's images: it starts with a letter."""
    name = partner.lower().lstrip("0123456789-_")[:40]
    return name if len(name) > 1 else f"images-{partner.lower()}"[:40]
