"""A feed's slice: which rows of the feed a delivery holds, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Rows `first_row` (the feed's first is 1) to `first_row + num_rows - 1` of a feed, and where text has them.

    Offsets count the bytes of the content, decompressed. As a document of its own, the slice is the content's first
    `num_head_bytes` (a header), `opening`, the bytes from `byte_start` to `byte_end` (None: the end), and `closing`.
    """

    number: int = 1
    num_slices: int = 1
    first_row: int = 1
    num_rows: int | None = None  # None: as many as there are
    byte_start: int = 0
    byte_end: int | None = None
    num_head_bytes: int = 0
    opening: str = ""
    closing: str = ""
    encoding: str = "utf-8"  # of opening and closing
