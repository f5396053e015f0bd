"""Images of a part: those that a feed brings lie one after another in a file beside the part, and links name ranges.

So products stay slim, and a download reads an image by `part:FEED/CONTENT/NUMBER.images#OFFSET+LENGTH` from the file,
wherever the store is.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO

import polars as pl
from upath import UPath

from catalog.feeds.deliveries import IMAGE_SCHEME, PARTS
from catalog.feeds.feed import RowImages
from catalog.storage.files import replace_file


class PartImages:
    """The file of a part's images, which is written with the first one; use as a context manager."""

    def __init__(self, records: UPath, file: str) -> None:
        self._records = records
        self._file = file
        self._link = f"{IMAGE_SCHEME}:{file.removeprefix(f'{PARTS}/')}"
        self._stack = ExitStack()
        self._images: BinaryIO | None = None
        self._num_bytes = 0

    def __enter__(self) -> PartImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def file(self) -> str:
        """The file below the folder of the delivery records; empty without an image."""
        return self._file if self._images is not None else ""

    def linked(self, rows: pl.DataFrame, images: RowImages | None) -> pl.DataFrame:
        """Writes the images of these rows and returns the rows with links to them; others keep their link."""
        if images is None:
            return rows
        is_readable = rows["reason"].is_null().to_list()
        links = [
            self._written(images.of(row)) if readable else None
            for row, readable in zip(rows["row"], is_readable, strict=True)
        ]
        found = pl.Series("image_url", links, dtype=pl.String)
        return rows.with_columns(pl.coalesce(found, pl.col("image_url")).alias("image_url"))

    def _written(self, content: bytes | None) -> str | None:
        if not content:
            return None
        if self._images is None:
            self._images = self._stack.enter_context(replace_file(self._records / self._file))
        self._images.write(content)
        start, self._num_bytes = self._num_bytes, self._num_bytes + len(content)
        return f"{self._link}#{start}+{len(content)}"
