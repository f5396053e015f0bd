"""Record starts: where the records of delimited text begin, found a block at a time without splitting a line.

This is the fast twin of `catalog.feeds.delimited.records`: both see the same records at the same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from catalog.feeds.delimited import Place, place_after
from catalog.feeds.feed import FeedError

BLOCK_BYTES = 1 << 22

_NEWLINE, _RETURN, _QUOTE = ord("\n"), ord("\r"), ord('"')
_OPENS_AFTER = np.frombuffer(b',\n"', np.uint8)  # what stands before a quote that opens or reopens a field

Offsets = NDArray[np.int64]


def record_starts(source: BinaryIO, name: str, *, has_multiline_fields: bool) -> Iterator[Offsets]:
    """The byte offsets at which records begin, ascending, block by block; blank lines are no records.

    Raises `FeedError` where a quoted field is still open at the end.
    """
    quotes = _Quotes() if has_multiline_fields else None
    offset = start = num_records = 0  # of the block; of the record that is open
    last = _NEWLINE
    while block := source.read(BLOCK_BYTES):
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == _NEWLINE)
        if quotes:
            ends = ends[quotes.ends_record(block, data, ends)]
        starts = np.concatenate(([start - offset], ends + 1))
        lengths = ends - starts[:-1]
        # A record of one byte may have begun as the last byte of the block before: index -1.
        first = np.where(starts[:-1] >= 0, data[np.clip(starts[:-1], 0, len(data) - 1)], last)
        found = starts[:-1][(lengths > 1) | ((lengths == 1) & (first != _RETURN))] + offset
        num_records += len(found)
        yield found
        start, offset, last = int(starts[-1]) + offset, offset + len(block), int(data[-1])
    if quotes and quotes.place is Place.QUOTED:
        # The header is record 0, so the number of records before is the number of the row.
        raise FeedError(f"{name}: the quote that row {num_records} opens is never closed; close it and deliver again")
    if offset - start > 1 or (offset - start == 1 and last != _RETURN):
        yield np.array([start])


class _Quotes:
    """Which line ends lie outside quoted fields of comma-separated text."""

    def __init__(self) -> None:
        self.place = Place.BOUNDARY

    def ends_record(self, block: bytes, data: NDArray[np.uint8], ends: Offsets) -> NDArray[np.bool_]:
        """For each line end of the block whether it ends a record."""
        quotes = np.flatnonzero(data == _QUOTE)
        num_open = int(self.place is Place.QUOTED)
        opening = quotes[num_open::2]
        before = data[opening - 1]  # of a quote at 0 this is some other byte, and judged apart
        opens = np.isin(before, _OPENS_AFTER)
        if len(opening) and opening[0] == 0:
            opens[0] = self.place is Place.BOUNDARY
        if not opens.all():  # a quote amid plain text, such as an inch mark
            return self._line_by_line(block, ends)
        # Every second quote opens a field, so what stands after an odd number of them is quoted.
        if (len(quotes) + num_open) % 2:
            self.place = Place.QUOTED
        else:
            self.place = Place.BOUNDARY if data[-1] in _OPENS_AFTER else Place.PLAIN
        is_outside: NDArray[np.bool_] = (np.searchsorted(quotes, ends) + num_open) % 2 == 0
        return is_outside

    def _line_by_line(self, block: bytes, ends: Offsets) -> NDArray[np.bool_]:
        ends_record = np.zeros(len(ends), bool)
        position = 0
        for index, end in enumerate(ends.tolist()):
            self.place = place_after(block[position:end], self.place)
            if self.place is not Place.QUOTED:
                ends_record[index], self.place = True, Place.BOUNDARY
            position = end + 1
        self.place = place_after(block[position:], self.place)
        return ends_record
