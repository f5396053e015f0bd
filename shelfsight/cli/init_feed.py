"""The source of a new project: a feed or several of one partner, or a folder of images."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from catalog.feeds.compression import ZIP_SUFFIX, uncompressed_name
from catalog.feeds.feed import ATTRIBUTES, DEFAULT_OPTIONS, ReadOptions
from catalog.feeds.feed_content import read_feed
from catalog.feeds.formats import FORMAT_OF_SUFFIX, expected_format, format_of
from catalog.feeds.presets.preset import Preset
from catalog.feeds.presets.recognition import preset_of
from catalog.feeds.sampling import Sample, sample_feed
from catalog.feeds.sources import FeedFile
from catalog.products.column_proposals import REQUIRED
from ml.name_suggestions import suggest_names

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".bmp"})


class ColumnsError(ValueError):
    """Columns that do not make a feed; the message has the feed's columns and the way out."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The feeds of a partner, or the folder of its images."""

    feeds: Sequence[Path] = ()
    images: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FeedLabels:
    """The texts by which feeds name categories, each with its number of products."""

    num_products: int
    google: Mapping[str, int]  # of google_product_category
    product_types: Mapping[str, int]  # of product_type, where a product has no google_product_category


def found_source(place: Path) -> Source:
    """Returns the feed, the feeds of a folder, or the folder where it has images.

    Raises:
        FileNotFoundError: there is no such file or folder, or there is nothing of either kind in it.
        ValueError: the file has the suffix of no feed format.
    """
    if place.is_file():
        expected_format(place.name)
        return Source(feeds=[place])
    if not place.is_dir():
        raise FileNotFoundError(f"there is no feed and no folder {str(place)!r}")
    if any(each.suffix.lower() in IMAGE_SUFFIXES for each in place.rglob("*")):
        return Source(images=place)
    feeds = [each for each in sorted(place.iterdir()) if each.is_file() and _is_feed(each.name)]
    if not feeds:
        known = ", ".join(FORMAT_OF_SUFFIX)
        raise FileNotFoundError(f"there are no feeds ({known}) and no images in {str(place)!r}; name another folder")
    return Source(feeds=feeds)


def sampled(feeds: Sequence[Path]) -> Sample:
    """Returns the columns of feeds, with the texts of the first rows in each."""
    sample: Sample = {}
    for feed in feeds:
        for column, texts in sample_feed(_feed_file(feed)).items():
            sample.setdefault(column, []).extend(texts)
    return sample


def chosen_columns(sample: Sample, proposed: Mapping[str, str], corrections: Mapping[str, str]) -> dict[str, str]:
    """Returns the feed's own column names -> attributes: those proposed, with a person's corrections.

    Args:
        sample: the columns that there are.
        proposed: column -> attribute.
        corrections: column -> attribute; an empty one takes a column out.

    Raises:
        ColumnsError: a column or an attribute is unknown, or one that every product needs has no column.
    """
    for column, attribute in corrections.items():
        if column not in sample:
            raise ColumnsError(f"the feed has no column {column!r}; {suggest_names(column, sample)}")
        if attribute and attribute not in ATTRIBUTES:
            raise ColumnsError(f"there is no attribute {attribute!r}; {suggest_names(attribute, ATTRIBUTES)}")
    corrected = {attribute for attribute in corrections.values() if attribute}
    kept = {
        column: attribute
        for column, attribute in proposed.items()
        if column not in corrections and attribute not in corrected
    }
    columns = {**kept, **{column: attribute for column, attribute in corrections.items() if attribute}}
    lacking = [each for each in REQUIRED if each not in columns.values()]
    if lacking:
        raise ColumnsError(
            f"no column looks like {' or '.join(map(repr, lacking))}; the feed has {', '.join(map(repr, sample))}; "
            f"name it, as in --column '{next(iter(sample))}={lacking[0]}'"
        )
    return columns


def found_preset(sample: Sample) -> Preset | None:
    """Returns the shop system or platform that exports such feeds; None where the columns are of none."""
    return preset_of(sample, DEFAULT_OPTIONS, "the feed")


def labels_of_feeds(feeds: Sequence[Path], options: ReadOptions) -> FeedLabels:
    """Reads whole feeds as their deliveries will be read, and counts the texts that name categories."""
    google, product_types, num_products = Counter[str](), Counter[str](), 0
    for feed in feeds:
        for batch in read_feed(_feed_file(feed), options):
            num_products += len(batch.rows)
            google.update(_counts(batch.rows["google_product_category"]))
            lacking = batch.rows.filter(pl.col("google_product_category").is_null())
            product_types.update(_counts(lacking["product_type"]))
    return FeedLabels(num_products=num_products, google=google, product_types=product_types)


def inbox_name(feed: Path) -> str:
    """Returns the name that a feed has in the inbox: letters, digits, `_` and `-`, and the suffixes of its format."""
    inner = uncompressed_name(feed.name)
    suffixes = Path(inner).suffix + feed.name[len(inner) :]
    return f"{plain_name(Path(inner).stem)}{suffixes.lower()}"


def plain_name(text: str) -> str:
    """Returns a text as the name of a partner or a feed."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text.strip()).strip("-")[:60] or "feed"


def shown_columns(columns: Mapping[str, str]) -> str:
    """Returns the columns as a person reads them: `id = Artikelnummer, title = title`."""
    ordered = sorted(columns.items(), key=lambda each: list(ATTRIBUTES).index(each[1]))
    return ", ".join(f"{attribute} = {column}" for column, attribute in ordered)


def _counts(texts: pl.Series) -> dict[str, int]:
    return dict(texts.drop_nulls().value_counts().iter_rows())


def _is_feed(name: str) -> bool:
    try:
        format_of(name)
    except ValueError:  # a zip file may say nothing of what is in it
        return name.lower().endswith(ZIP_SUFFIX) and not name.startswith(".")
    return not name.startswith(".")


def _feed_file(path: Path) -> FeedFile:
    return FeedFile.at_path(path)
