"""Placeholder list: decisions of people on single images, in `placeholders.csv` beside `partners.toml`.

The header is `image,verdict,reason,who`. An image is the SHA-256 of the stored image, or its dhash as 16 hexadecimal
digits, which also names resized and recompressed copies. The verdict is `placeholder` or `not`; it overrides what is
found by itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

FILE = "placeholders.csv"
COLUMNS = ("image", "verdict", "reason", "who")
PLACEHOLDER, NOT_PLACEHOLDER = "placeholder", "not"
MAX_LINES = 100_000
MAX_BYTES = 50_000_000
MAX_DISTANCE = 2  # differing bits of a copy's dhash
MIN_BITS = 6  # of a dhash that is set or unset: those of plain images are alike, whatever they show
_SHA256, _DHASH = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{16}")


class PlaceholderListError(ValueError):
    """An invalid list; the message names the file, the line and the value."""


@dataclass(frozen=True)
class PlaceholderList:
    """Decisions by SHA-256 and by dhash: True for a placeholder."""

    by_sha256: dict[str, bool]
    by_dhash: dict[int, bool]

    def verdicts(self, sha256: pl.Series, dhash: NDArray[np.uint64]) -> pl.Series:
        """Returns each image's decision, (n,), null without one; SHA-256 counts before dhash, then `not` first."""
        near: NDArray[np.int8] = np.full(len(dhash), -1, dtype=np.int8)
        for is_placeholder in (True, False):  # the last one counts
            for key, value in self.by_dhash.items():
                if value == is_placeholder:
                    near[np.bitwise_count(dhash ^ np.uint64(key)) <= MAX_DISTANCE] = value
        by_dhash = pl.Series(near).replace_strict({-1: None, 0: False, 1: True}, return_dtype=pl.Boolean)
        by_sha256 = sha256.replace_strict(self.by_sha256, default=None, return_dtype=pl.Boolean)
        return pl.select(pl.coalesce(by_sha256, by_dhash).alias("listed"))["listed"]


def read_placeholder_list(path: UPath) -> PlaceholderList:
    """Reads the list; without a file there is no decision.

    Raises:
        PlaceholderListError: a line is invalid.
    """
    if not path.is_file():
        return PlaceholderList({}, {})
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise PlaceholderListError(f"{path}: {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlaceholderListError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return parse_placeholder_list(io.StringIO(text, newline=""), str(path))


def parse_placeholder_list(lines: Iterable[str], name: str) -> PlaceholderList:
    """Parses the lines as `read_placeholder_list` does; `name` stands for the file in errors."""
    reader = csv.DictReader(lines, strict=True, restkey="more columns")
    decisions = PlaceholderList({}, {})
    try:
        header = reader.fieldnames or ()
        if tuple(header) != COLUMNS:
            raise PlaceholderListError(f"{name}:1: the header is {','.join(header)!r}; expected {','.join(COLUMNS)}")
        for number, row in enumerate(reader):
            if number >= MAX_LINES:
                raise PlaceholderListError(f"{name}: more than {MAX_LINES:,} lines; remove old ones")
            _add(decisions, row, f"{name}:{reader.line_num}")
    except csv.Error as error:
        raise PlaceholderListError(f"{name}:{reader.reader.line_num}: not a CSV line ({error})") from error
    return decisions


def _add(decisions: PlaceholderList, row: dict[str, str | None], place: str) -> None:
    image, verdict = ((row[column] or "").strip().lower() for column in ("image", "verdict"))
    if "more columns" in row:
        raise PlaceholderListError(f"{place}: more than {len(COLUMNS)} columns; quote a reason that contains commas")
    if verdict not in (PLACEHOLDER, NOT_PLACEHOLDER):
        raise PlaceholderListError(f"{place}: the verdict is {verdict!r}; write {PLACEHOLDER} or {NOT_PLACEHOLDER}")
    if _SHA256.fullmatch(image):
        known: dict[str, bool] | dict[int, bool] = decisions.by_sha256
        former = decisions.by_sha256.setdefault(image, verdict == PLACEHOLDER)
    elif _DHASH.fullmatch(image):
        known, key = decisions.by_dhash, int(image, 16)
        if not MIN_BITS <= key.bit_count() <= 64 - MIN_BITS:
            raise PlaceholderListError(f"{place}: many plain images have the dhash {image}; write the SHA-256 instead")
        former = known.setdefault(key, verdict == PLACEHOLDER)
    else:
        raise PlaceholderListError(
            f"{place}: the image is {image!r}; write the sha256 (64 hexadecimal digits) or the dhash (16) of the table "
            "placeholders"
        )
    if former != (verdict == PLACEHOLDER):
        raise PlaceholderListError(f"{place}: {image} has the other verdict in an earlier line; remove one")
